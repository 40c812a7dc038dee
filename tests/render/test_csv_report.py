"""The CSV report: a line for each figure, in base units, with how it was obtained; text is never a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from edgeq.render import render
from edgeq.render.csv import COLUMNS
from edgeq.report import report
from edgeq.run import HOW, read_run

CASES = Path(__file__).resolve().parents[1] / "cases"
PATHS = [*sorted((CASES / "runs").glob("*.json")), *sorted((CASES / "reports").glob("*.json"))]


def rows(paths: list[Path]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(report(paths), ".csv"))))


def test_every_figure_of_every_run_is_a_line() -> None:
    made, found = report(PATHS), rows(PATHS)
    assert tuple(found[0]) == COLUMNS
    for section in made.sections:
        mine = [row for row in found if row["run"] == section.label]
        for figure in section.figures():
            (row,) = (row for row in mine if row["name"] == figure.name and row["group"] not in ("fit", "sustained"))
            assert float(row["value"]) == figure.value
            assert (row["unit"], row["how"], row["at"]) == (figure.unit, figure.how, figure.at)
    assert {row["how"] for row in found} <= {*HOW, "planned"}


def test_ops_intervals_and_fit_have_lines_of_their_own() -> None:
    found = rows([CASES / "reports" / "pi5-sustained.json"])
    groups = {group: [row for row in found if row["group"] == group] for group in ("ops", "sustained", "fit")}
    assert [len(each) for each in groups.values()] == [11, 30, 2]
    assert groups["ops"][0]["label"] == "0 CONV_2D conv1"
    assert float(groups["sustained"][0]["low"]) <= float(groups["sustained"][0]["value"])


def test_a_name_is_never_a_formula(tmp_path: Path) -> None:
    run = read_run(CASES / "runs" / "local-measured.json")
    name = '=HYPERLINK("http://e")\n,x'
    replace(run, device={**run.device, "name": name}).write(tmp_path / "run.json")
    (first, *_) = rows([tmp_path / "run.json"])
    assert first["device"] == '\'=HYPERLINK("http://e") ,x'
