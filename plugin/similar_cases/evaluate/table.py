"""Rows with what is to be said of them: as JSON, as Markdown, and as a block in a file of Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.row import Row

COLUMNS = ("data", "task", "way", "metric", "value", "95 % interval", "chance", "n", "patients", "paper")


@dataclass(frozen=True, kw_only=True)
class Table:
    """What one protocol measured.

    Attributes:
        name: of the protocol, and of the split where there are several; it marks the table's place in a file.
        command: what makes it again.
        remarks: sentences that must be read with the rows.
        told: which rows a page shows; JSON and the terminal have all.
    """

    name: str
    title: str
    command: str
    rows: Sequence[Row]
    remarks: Sequence[str] = ()
    told: Callable[[Row], bool] = lambda row: True

    def as_json(self) -> dict[str, object]:
        """Return the table as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "command": self.command,
            "remarks": list(self.remarks),
            "rows": [row.as_json() for row in self.rows],
        }

    def cells(self) -> list[list[str]]:
        """Return the rows as text under `COLUMNS`."""
        return [_cells(row) for row in self.rows]

    def as_markdown(self) -> str:
        """Return the rows that are told, with the heading; values whose interval lies over chance are bold."""
        rows = [row for row in self.rows if self.told(row)]
        remarks = [*self.remarks]
        if len(rows) < len(self.rows):
            remarks.append(f"{len(rows)} of {len(self.rows)} rows; the command with `--json` prints all.")
        lines = [f"### {self.title}", "", f"`{self.command}`", "", *[line for one in remarks for line in (one, "")]]
        used = [at for at, column in enumerate(COLUMNS) if column != "paper" or any(row.paper for row in rows)]
        lines.append("| " + " | ".join(COLUMNS[at] for at in used) + " |")
        lines.append("|" + "---|" * len(used))
        for row in rows:
            cells = _cells(row)
            if row.beats_chance:
                cells[COLUMNS.index("value")] = f"**{cells[COLUMNS.index('value')]}**"
            lines.append("| " + " | ".join(cells[at].replace("|", "\\|") for at in used) + " |")
        return "\n".join(lines) + "\n"


def write_into(path: Path, tables: Sequence[Table]) -> None:
    """Put each table into its place in the Markdown file at `path`; what has no place yet comes to the end.

    A place lies between ``<!-- table NAME -->`` and ``<!-- end of table NAME -->``; what stands there is replaced.

    Raises:
        InvalidRequest: when there is no such file, or a place that does not end.
    """
    if not path.is_file():
        raise InvalidRequest(f"{path} is no file; tables are written into one that is there")
    text = path.read_text(encoding="utf-8")
    for table in tables:
        text = _replaced(text, table.name, table.as_markdown(), path)
    path.write_text(text, encoding="utf-8")


def tables_json(tables: Sequence[Table], about: Mapping[str, object]) -> dict[str, object]:
    """Return one document: all rows in `rows`, each with the name of its table, and the tables' remarks."""
    return {
        **about,
        "rows": [{"table": table.name} | row.as_json() for table in tables for row in table.rows],
        "tables": [{key: value for key, value in table.as_json().items() if key != "rows"} for table in tables],
    }


def _replaced(text: str, name: str, block: str, path: Path) -> str:
    begin, end = f"<!-- table {name} -->\n", f"<!-- end of table {name} -->\n"
    placed = f"{begin}\n{block}\n{end}"
    if begin not in text:
        return f"{text.rstrip()}\n\n{placed}"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise InvalidRequest(f"{path}: the place of table {name} does not end; {end.strip()!r} is missing")
    return before + placed + after


def _cells(row: Row) -> list[str]:
    interval = f"{row.ci[0]:.3f} to {row.ci[1]:.3f}" if row.ci else ""
    value = f"{row.value:.3f}" + (f" ± {row.std:.3f}" if row.std is not None else "")
    numbers = (value, interval, f"{row.chance:.3f}", str(row.n), str(row.patients))
    return [row.data, row.task, row.way, row.metric, *numbers, row.paper]
