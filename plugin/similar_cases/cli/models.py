"""``models``: which weights there are, whether they are still those, and how the site's own come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from similar_cases import bootstrap
from similar_cases.cli.console import ExitCode, answering, print_json, print_table, progress_bar, session_of
from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.kinds import KINDS, SERVICES, ModelUse
from similar_cases.models.model_file import ModelFile, kind_of, sha256_of, size_of
from similar_cases.models.shipped import ShippedModel, shipped_models
from similar_cases.settings import Settings

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Weights of networks: list, verify, add.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One model, as `list` tells of it."""

    model: ShippedModel | ModelFile
    use: ModelUse | None
    is_in_use: bool

    @property
    def origin(self) -> str:
        """Where it came from."""
        return "added" if isinstance(self.model, ModelFile) else "shipped"

    def as_json(self) -> dict[str, object]:
        """Return what a program reads."""
        model = self.model
        return {
            "name": model.name, "kind": model.kind, "origin": self.origin, "licence": model.licence,
            "version": model.version, "sha256": model.sha256, "bytes": size_of(model.path), "path": str(model.path),
            "setting": self.use or "", "in_use": self.is_in_use,
        }  # fmt: skip

    def as_row(self) -> tuple[object, ...]:
        """Return what people read."""
        model, size = self.model, size_of(self.model.path)
        shown_size = "gone" if size is None else f"{size / 1e6:.1f} MB"
        used = f"{self.use or ''} (in use)" if self.is_in_use else self.use or ""
        return (
            model.name, model.kind, self.origin, model.licence, model.version, model.sha256[:12], shown_size, used,
            model.path,
        )  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="models")


@group.command("list")
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the models that came with the installation, those that were added, and the kinds that can be."""
    with answering(as_json=as_json):
        listed = list(_listed(session_of(context).effective().settings))
    if as_json:
        kinds, services = (
            [{key: one.name, "setting": one.use, "what": one.what, "licence": one.licence} for one in ones]
            for key, ones in (("kind", KINDS.values()), ("name", SERVICES))
        )
        print_json({"models": [one.as_json() for one in listed], "kinds": kinds, "services": services})
        return
    columns = ("name", "kind", "from", "licence", "version", "sha256", "size", "setting", "where")
    print_table("Models", columns, [one.as_row() for one in listed])
    rows = [(one.name, one.use, one.what, one.licence) for one in KINDS.values()]
    print_table("Kinds that can be added", ("kind", "setting", "what", "licence of the weights"), rows)
    rows = [(one.name, one.use, one.what, one.licence) for one in SERVICES]
    print_table("Beside the worker", ("name", "setting", "what", "licence of the weights"), rows)


@group.command()
def verify(
    context: typer.Context,
    does_open: Annotated[
        bool, typer.Option("--open", help="Also lay each added model into its network, as the worker would.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash each model's weights again, and say of each that is wrong what is wrong with it."""
    with answering(as_json=as_json):
        settings = session_of(context).effective().settings
        listed = [one.model for one in _listed(settings)]
        rows = []
        with progress_bar("Hashing", len(listed)) as move:
            for done, one in enumerate(listed, start=1):
                wrong = _what_is_wrong(one, settings, does_open=does_open)
                rows.append({"name": one.name, "state": "broken" if wrong else "ok", "found": wrong or one.sha256})
                move(done, len(listed))
    if as_json:
        print_json(rows)
    else:
        print_table("Models", ("name", "state", "found"), [tuple(row.values()) for row in rows])
    if any(row["state"] == "broken" for row in rows):
        raise typer.Exit(ExitCode.FAILED)


@group.command()
def add(  # noqa: PLR0913  # one option a column of the list
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The weights: a file, or the folder of a bundle.")],
    name: Annotated[str, typer.Option(help="What the settings shall call it.")],
    kind: Annotated[str, typer.Option(help="Its architecture; see `similar-cases models list`.")],
    licence: Annotated[str, typer.Option(help="Under which licence you have it; else that of the kind.")] = "",
    version: Annotated[str, typer.Option(help="Which version it is, as its makers say.")] = "",
    sha256: Annotated[str, typer.Option(help="What it must hash to, as its makers publish it.")] = "",
    copy: Annotated[bool, typer.Option("--copy", help="Copy it into the data folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take weights of yours in, held by their hash; then name them in the settings."""
    with answering(as_json=as_json):
        settings = session_of(context).effective().settings
        its_kind = kind_of(kind)
        found = sha256_of(path.absolute())
        if sha256 and found != sha256.strip().lower():
            raise InvalidSettings(f"{path} has sha256 {found}, not {sha256}; get it again")
        model = ModelFile(
            name=name,
            kind=kind,
            path=path.absolute(),
            sha256=found,
            licence=licence or its_kind.licence,
            version=version,
        )
        kept = bootstrap.open_register(settings).add(model, taken=bootstrap.names_taken(), copy=copy)
    one = _told(kept, its_kind.use, settings)
    if as_json:
        print_json(one.as_json())
    else:
        print_table("Added", ("name", "setting", "sha256", "licence", "where"), [
            (kept.name, f'{its_kind.use} = "{kept.name}"', kept.sha256, kept.licence, kept.path)
        ])  # fmt: skip


def _listed(settings: Settings) -> Iterator[Listed]:
    for shipped in shipped_models():
        yield _told(shipped, shipped.use, settings)
    for model in bootstrap.open_register(settings).all():
        yield _told(model, kind_of(model.kind).use, settings)


def _told(model: ShippedModel | ModelFile, use: ModelUse | None, settings: Settings) -> Listed:
    return Listed(model=model, use=use, is_in_use=use is not None and _used(settings)[use] == model.name)


def _used(settings: Settings) -> Mapping[ModelUse, str]:
    return {ModelUse.SEGMENT: settings.segment.backend, ModelUse.DESCRIBE: settings.describe.embedder}


def _what_is_wrong(one: ShippedModel | ModelFile, settings: Settings, *, does_open: bool) -> str:
    """Return why a model cannot be used; empty where it can."""
    try:
        found = sha256_of(one.path)
        if found != one.sha256:
            return f"{one.path} has sha256 {found}, and {one.sha256} is named"
        if does_open and isinstance(one, ModelFile):
            bootstrap.open_added(one, settings)
    except InvalidSettings as error:
        return str(error)
    return ""
