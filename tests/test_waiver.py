from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from edgeq.calibration import checks
from edgeq.errors import UsageError
from edgeq.finding import Finding
from edgeq.project import read_project
from edgeq.waiver import CODES, Waiver, idle, read_waivers, waive

ROOT = Path(__file__).resolve().parents[1] / "edgeq"
FINE = {"code": "memory", "by": "Ada", "reason": "measured"}


def test_every_code_in_the_sources_can_be_waived() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Finding":
                continue
            first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "code"), None)
            if isinstance(first, ast.Constant):
                assert first.value in CODES, f"{path}, line {node.lineno}: add {first.value!r} to CODES of waiver.py"


def test_the_codes_of_check_data_are_known() -> None:
    assert set(checks.CODES) <= set(CODES)


def test_waivers_are_read_from_the_project(tmp_path: Path) -> None:
    path = tmp_path / "edgeq.toml"
    path.write_text('[[waivers]]\ncode = "memory"\nby = "Ada"\nreason = " measured "\n[passport]\nowner = "Ada"\n')
    project = read_project(path)
    assert project.waivers == (Waiver("memory", "Ada", "measured"),)
    assert project.about == {"owner": "Ada"}
    path.write_text('[passport]\nowners = "Ada"\n')
    with pytest.raises(UsageError, match=r"unknown key 'passport.owners'"):
        read_project(path)
    path.write_text('[[waivers]]\ncode = "memry"\nby = "Ada"\nreason = "x"\n')
    with pytest.raises(UsageError, match="No finding has the code 'memry'") as caught:
        read_project(path)
    assert caught.value.hint == "Did you mean 'memory'?"
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "must be a list of tables"),
        (["memory"], "must be a list of tables"),
        ([{**FINE, "who": "x"}], "has no 'who'"),
        ([{"code": "memory", "by": "Ada"}], "has no text 'reason'"),
        ([{**FINE, "by": " "}], "has no text 'by'"),
        ([FINE, FINE], "is waived twice"),
    ],
)
def test_mistakes_are_told(tables: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_waivers(tables)


def test_what_is_waived_is_told_apart_and_errors_never_are() -> None:
    warning, error = Finding("memory", "warning", "Much."), Finding("memory", "error", "Too much.")
    other = Finding("data", "warning", "Odd.")
    left, waived = waive([warning, error, other], [Waiver("memory", "Ada", "measured")])
    assert left == [error, other]
    assert [(each.finding, each.waiver.by) for each in waived] == [(warning, "Ada")]


def test_a_waiver_that_meets_nothing_is_told() -> None:
    waivers = [Waiver("memory", "Ada", "measured"), Waiver("data", "Bo", "seen")]
    _, waived = waive([Finding("data", "warning", "Odd.")], waivers)
    assert [finding.message for finding in idle(waivers, waived)] == ["The waiver of 'memory' met no finding."]
