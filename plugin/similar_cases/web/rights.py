"""What the caller of a request may read, and the guard before every route that names a Series or a Case."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from flask import Blueprint, request

from similar_cases.domain.errors import NotAllowed
from similar_cases.domain.readable import Readable, everything
from similar_cases.domain.references import require_uid
from similar_cases.index.lookups import Lookups

#: a caller's headers, and Orthanc's identifiers of Series → those that they may read
AskedOfOrthanc = Callable[[Mapping[str, str], Collection[str]], Collection[str]]


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Rights of callers, which Orthanc knows.

    Attributes:
        credentials: headers by which Orthanc knows a caller.
        orthanc_ids_of: Series Instance UIDs → Orthanc's identifiers, of those that the catalogue knows.
        ask: Orthanc's word.
    """

    credentials: tuple[str, ...]
    orthanc_ids_of: Callable[[Collection[str]], Mapping[str, str]]
    ask: AskedOfOrthanc

    def of_caller(self) -> Readable:
        """Return what the caller of the present request may read; a Series that Orthanc is not known to have is not."""
        shown = {name: request.headers[name] for name in self.credentials if name in request.headers}

        def readable(series_uids: Collection[str]) -> Collection[str]:
            ids = self.orthanc_ids_of(series_uids)
            allowed = self.ask(shown, set(ids.values()))
            return frozenset(uid for uid, orthanc_id in ids.items() if orthanc_id in allowed)

        return readable


def readable_by_caller(rights: Rights | None) -> Readable:
    """Return what the caller of the present request may read: everything where nobody is asked for rights."""
    return rights.of_caller() if rights else everything


def require_readable(rights: Rights | None, *series_uids: str) -> None:
    """Refuse what the caller may not read.

    Raises:
        NotAllowed: when one of the Series is not the caller's to read, or not known.
    """
    if rights and set(rights.of_caller()(series_uids)) != set(series_uids):
        raise NotAllowed("the archive does not let you read that series, or does not know it yet")


def guard(api: Blueprint, rights: Rights, lookups: Lookups) -> None:
    """Put the question of rights before every route below a Series or a Case."""

    @api.before_request
    def require_rights() -> None:
        named = request.view_args or {}
        if "case" in named:
            require_readable(rights, lookups.case(require_uid(named["case"])).series.series_uid)
        elif "series" in named:
            require_readable(rights, require_uid(named["series"]))
