"""How work on a Series can end."""

from dataclasses import dataclass

from similar_cases.index.rows import IndexedSeries


@dataclass(frozen=True)
class Indexed:
    """Its SEG and SR were read back from the PACS; the rest is committed with this outcome."""

    results: IndexedSeries


@dataclass(frozen=True)
class Unchanged:
    """It had been brought to the very same content by the very same pipeline before."""


@dataclass(frozen=True)
class Linked:
    """It is an annotation, and refers to these image Series."""

    image_series: frozenset[str]


@dataclass(frozen=True)
class TurnedDown:
    """It makes no Volume; nothing of it is findable."""

    reason: str


@dataclass(frozen=True)
class GivenUp:
    """Trying again cannot help. What was findable before stays so."""

    reason: str


@dataclass(frozen=True)
class Postponed:
    """It is to be tried again; `counted` is False where the fault was not the Series' own."""

    reason: str
    counted: bool = True


@dataclass(frozen=True)
class Gone:
    """The PACS has it no more."""


Outcome = Indexed | Unchanged | Linked | TurnedDown | GivenUp | Postponed | Gone
