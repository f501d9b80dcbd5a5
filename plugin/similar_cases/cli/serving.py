"""``serve``: the worker; and ``work``: its job process, which nobody starts by hand."""

import logging
import signal
import sys
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from similar_cases import bootstrap, wire
from similar_cases.cli.console import Session, answering, log_to_stderr, session_of
from similar_cases.domain.errors import InvalidSettings
from similar_cases.settings import Settings
from similar_cases.web.services import Services, WebOptions

if TYPE_CHECKING:
    from similar_cases.pipeline.find_similar import SimilarityFinder
    from similar_cases.web.rights import Rights
    from similar_cases.worker.supervise import Supervisor
    from similar_cases.worker.watch import Reconciler

logger = logging.getLogger(__name__)

StayWithParent = Annotated[
    bool, typer.Option(wire.FLAG_STAY_WITH_PARENT, help="End when the standard input closes.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command(hidden=True)(work)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; else web.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; else web.port.")] = None,
    stay_with_parent: StayWithParent = False,
) -> None:
    """Run the worker: answer queries, follow Orthanc, and keep the job process alive. Logs go to standard error."""
    log_to_stderr()
    session = session_of(context)
    with answering(as_json=False):
        settings = session.effective({"web": {"host": host, "port": port}}).settings
        if not settings.web.token.get_secret_value():
            raise InvalidSettings(
                "web.token is empty, and a worker answers only whoever shows it: set SIMILAR_CASES_WEB__TOKEN to a long"
                " random word, the same for Orthanc"
            )
        _serve(settings, session, stay_with_parent=stay_with_parent)


def work(context: typer.Context) -> None:
    """Take one job after another until the standard input closes."""
    from similar_cases.pipeline.worklist import STOPPED
    from similar_cases.worker.identity import worker_id
    from similar_cases.worker.loop import JobLoop
    from similar_cases.worker.memory import keep_freed_memory
    from similar_cases.worker.stay import end_with_parent

    keep_freed_memory()
    # Ctrl-C in a terminal reaches this process too; its end is the parent's to decide
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stderr()
    with answering(as_json=False):
        settings = session_of(context).effective().settings
        books = bootstrap.open_books(settings)
        # the parent's end is no fault of the series
        end_with_parent(lambda: books.worklist.bury([worker_id()], STOPPED, counted=False))
        JobLoop(bootstrap.build_tools(settings, books), worker_id()).run(threading.Event())


def _serve(settings: Settings, session: Session, *, stay_with_parent: bool) -> None:
    from similar_cases.web.app import HttpServer, create_app
    from similar_cases.worker.stay import end_with_parent

    books = bootstrap.open_books(settings)
    reconciler = _reconciler(settings, books)
    supervisor = _supervisor(settings, session, books)
    finder, services = _services(settings, books, reconciler)
    app = create_app(services, _web_options(settings))
    server = HttpServer(app, settings.web.host, settings.web.port, settings.web.threads)
    if stay_with_parent:
        end_with_parent(supervisor.stop)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reconciler.start()
    supervisor.start()
    # the first question need not wait until a large archive's vectors are read
    threading.Thread(target=finder.warm, name="warm", daemon=True).start()
    try:
        server.run()
    finally:
        logger.info("ending")
        supervisor.stop()
        reconciler.stop()


def _reconciler(settings: Settings, books: bootstrap.Books) -> "Reconciler":
    """Return what follows Orthanc's changes."""
    from similar_cases.worker.reconcile import ReconcileRules
    from similar_cases.worker.watch import Reconciler

    rules = ReconcileRules(modalities=settings.worker.modalities, every_seconds=settings.worker.reconcile_seconds)
    return Reconciler(bootstrap.open_feed(settings), books.worklist, rules)


def _supervisor(settings: Settings, session: Session, books: bootstrap.Books) -> "Supervisor":
    """Return what keeps the job process alive."""
    from similar_cases.worker.supervise import ChildRules, Supervisor

    rules = ChildRules(
        command=_work_command(session),
        niceness=settings.worker.niceness,
        job_time_limit_seconds=settings.worker.job_time_limit_seconds,
    )
    return Supervisor(rules, books.worklist)


def _services(
    settings: Settings, books: bootstrap.Books, reconciler: "Reconciler"
) -> tuple["SimilarityFinder", Services]:
    """Return what finds similar cases, and all that the routes call."""
    from similar_cases.index.audit import AuditBook
    from similar_cases.index.feedback import FeedbackBook
    from similar_cases.pipeline.find_similar import SimilarityFinder
    from similar_cases.pipeline.pictures import Pictures
    from similar_cases.pipeline.shelf import Shelf

    tools = bootstrap.build_tools(settings, books)
    shelf, engine = Shelf(tools), books.worklist.catalogue.engine
    finder = SimilarityFinder(tools, shelf)
    return finder, Services(
        find_similar=finder.find,
        worklist=books.worklist,
        lookups=books.lookups,
        overview=books.overview,
        nudge=reconciler.nudge,
        shelf=shelf,
        pictures=Pictures(tools),
        feedback=FeedbackBook(engine),
        audit=AuditBook(engine, settings.web.audit_days),
        rights=_rights(settings, books),
    )


def _rights(settings: Settings, books: bootstrap.Books) -> "Rights | None":
    """Return who asks Orthanc what a caller may read; None where no header is named."""
    from similar_cases.web.rights import Rights

    if not settings.web.caller_credentials:
        return None
    rights = bootstrap.open_caller_rights(settings)
    return Rights(
        credentials=settings.web.caller_credentials, orthanc_ids_of=books.overview.orthanc_ids_of, ask=rights.readable
    )


def _web_options(settings: Settings) -> WebOptions:
    return WebOptions(
        prefix=settings.web.prefix,
        token=settings.web.token.get_secret_value(),
        dicomweb_path=settings.pacs.dicomweb_path,
        pacs_url=settings.pacs.orthanc_url,
        max_body_bytes=settings.web.max_body_kib * 1024,
        max_sent_bytes=settings.pacs.max_series_mib * 2**20,
        max_limit=settings.web.max_limit,
        viewers=settings.web.viewers,
        version=version("similar-cases"),
    )


def _work_command(session: Session) -> tuple[str, ...]:
    file = ("--settings", str(session.settings_file)) if session.settings_file else ()
    return (sys.executable, "-m", "similar_cases.cli", *file, "work")
