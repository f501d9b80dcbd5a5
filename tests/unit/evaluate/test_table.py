import pytest

from similar_cases.domain.errors import InvalidRequest
from similar_cases.evaluate.row import Heading, Outcome, row_of
from similar_cases.evaluate.table import Table, tables_json, write_into


def table(score: float, paper: str = "") -> Table:
    outcomes = [Outcome(patient=p, score=score, chance=0.25) for p in "ab"]
    row = row_of(Heading(data="d", task="CT | MR", way="w", metric="top-1", paper=paper), outcomes)
    return Table(name="one", title="One", command="make it", rows=[row], remarks=["Read this."])


def test_markdown_tells_the_command_the_remarks_and_the_rows():
    text = table(0.5).as_markdown()
    assert "`make it`" in text
    assert "Read this." in text
    assert "| d | CT \\| MR | w | top-1 | **0.500** | 0.500 to 0.500 | 0.250 | 2 | 2 |" in text
    assert "paper" not in text
    assert "| .84 |" in table(0.5, ".84").as_markdown()


def test_what_does_not_beat_chance_is_not_bold():
    assert "| 0.250 |" in table(0.25).as_markdown()
    assert "**" not in table(0.25).as_markdown()


def test_a_table_takes_its_place_again(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Head\n\n<!-- table one -->\nold\n<!-- end of table one -->\n\ntail\n")
    write_into(path, [table(0.5)])
    first = path.read_text()
    assert "old" not in first
    assert first.startswith("# Head\n")
    assert first.endswith("\n\ntail\n")
    write_into(path, [table(0.5)])
    assert path.read_text() == first


def test_a_table_without_a_place_comes_to_the_end(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Head\n")
    write_into(path, [table(0.5)])
    once = path.read_text()
    assert once.startswith("# Head\n\n<!-- table one -->")
    write_into(path, [table(0.75)])
    assert once.replace("0.500", "0.750") == path.read_text()


def test_a_file_that_is_not_there_or_broken_is_told(tmp_path):
    with pytest.raises(InvalidRequest, match="no file"):
        write_into(tmp_path / "none.md", [table(0.5)])
    (tmp_path / "broken.md").write_text("<!-- table one -->\n")
    with pytest.raises(InvalidRequest, match="end of table one"):
        write_into(tmp_path / "broken.md", [table(0.5)])


def test_json_holds_every_row_with_its_table():
    body = tables_json([table(0.5), table(0.25)], {"split": "test"})
    assert [row["value"] for row in body["rows"]] == [0.5, 0.25]
    assert {"value", "chance", "n", "ci", "table", "patients"} <= body["rows"][0].keys()
    assert "rows" not in body["tables"][0]
    assert body["split"] == "test"


def test_a_page_shows_the_rows_that_are_told_and_says_how_many_there_are():
    rows = [*table(0.5).rows, *table(0.75).rows]
    some = Table(name="one", title="One", command="make it", rows=rows, told=lambda row: row.value > 0.6)
    text = some.as_markdown()
    assert "**0.750**" in text
    assert "0.500" not in text
    assert "1 of 2 rows" in text
    assert len(some.cells()) == 2
