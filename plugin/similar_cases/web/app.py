"""The HTTP side of the worker: Flask behind waitress, on loopback, for the bridge alone.

Concurrency. waitress answers requests on a fixed number of threads; everything that a handler touches is immutable, or
guards itself (`Services`). Nothing here computes for long but `find similar` by prompts, which segments one region.
"""

import hmac
import logging
import time

from flask import Flask, Response, g, request
from waitress import create_server
from werkzeug.exceptions import HTTPException, Unauthorized

from similar_cases import wire
from similar_cases.domain.errors import SimilarCasesError
from similar_cases.web import problems, respond
from similar_cases.web.api import routes
from similar_cases.web.measures import Measures
from similar_cases.web.services import Services, WebOptions

logger = logging.getLogger(__name__)
#: the longest body that any route takes; each route has its own bound below it
LONGEST_BODY = "LONGEST_BODY"


def create_app(services: Services, options: WebOptions) -> Flask:
    """Return the application.

    Args:
        services: the acts behind the routes.
        options: what the site chose; an empty token would let everybody in, and is refused.

    Raises:
        ValueError: when the token is empty.
    """
    if not options.token:
        raise ValueError("a worker without a token would answer everybody")
    app = Flask("similar_cases", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=options.max_body_bytes, PROPAGATE_EXCEPTIONS=False)
    app.config[LONGEST_BODY] = max(options.max_body_bytes, options.max_sent_bytes)
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    measures = Measures(services)
    app.register_blueprint(routes(services, options, measures), url_prefix=options.prefix)
    _add_guards(app, options, measures)
    app.register_error_handler(SimilarCasesError, problems.error_response)
    app.register_error_handler(HTTPException, problems.http_error_response)
    app.register_error_handler(Exception, problems.unexpected_response)
    return app


def _add_guards(app: Flask, options: WebOptions, measures: Measures) -> None:
    health = options.prefix + wire.ROUTE_HEALTH
    token = options.token.encode()

    @app.before_request
    def require_token() -> None:
        g.began = time.perf_counter()
        shown = request.headers.get(wire.TOKEN_HEADER, "").encode()
        if request.path != health and not hmac.compare_digest(shown, token):
            raise Unauthorized(f"the worker answers the bridge alone; {wire.TOKEN_HEADER} is missing or wrong")

    @app.after_request
    def finish(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        measures.count(route, response.status_code, time.perf_counter() - g.began)
        return respond.secured(response)


class HttpServer:
    """The application on a socket; `port` is the real one where 0 was asked for."""

    def __init__(self, app: Flask, host: str, port: int, threads: int) -> None:
        self._server = create_server(
            app,
            host=host,
            port=port,
            threads=threads,
            ident=None,
            max_request_body_size=app.config[LONGEST_BODY] + 65536,
            channel_timeout=60,
            # the bridge, which alone has the token, tells by them which address the caller sees
            clear_untrusted_proxy_headers=False,
        )
        self.host = host
        self.port = int(self._server.effective_port)

    def run(self) -> None:
        """Answer requests until the process is told to end (KeyboardInterrupt or SystemExit in this thread)."""
        logger.info("listening on http://%s:%d", self.host, self.port)
        self._server.run()

    def close(self) -> None:
        """Listen no more, and let `run` end; what is being answered has some seconds."""
        # first: a thread that ends its answer wakes the server by a pipe, which closing takes away
        self._server.task_dispatcher.shutdown(timeout=5)
        self._server.close()
