"""The commands `report` and `schema`: formats on the terminal and in files, and bundles that are found by digest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from commandline import edgeq

from edgeq.run import read_run

CASES = Path(__file__).resolve().parents[1] / "cases"
PI = CASES / "reports" / "pi5-sustained.json"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command line in a folder of its own; gives code, standard output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return partial(edgeq, capture=capsys, monkeypatch=monkeypatch)


def test_one_format_on_the_terminal_and_another_in_a_file(run: Any) -> None:
    code, out, _ = run("report", str(PI), "--format", "csv", "-o", "page.html")
    assert code == 0
    assert next(csv.DictReader(io.StringIO(out)))["run"] == "keywords on pi5"
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert run("report", str(PI), "-f", "md")[1].startswith("## keywords on pi5")
    assert json.loads(run("report", str(PI), "-f", "json")[1])["kind"] == "edgeq-report"
    code, out, _ = run("report", str(PI))
    assert (code, "x Sustained: From 150 s on" in out) == (0, True)


def test_an_unknown_format_gets_a_near_one(run: Any) -> None:
    code, _, err = run("report", str(PI), "--format", "cvs")
    assert (code, "no report format" in err, "'.csv'" in err) == (2, True, True)


def test_a_bundle_is_found_by_its_digest(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "build" / "tiny-linux-x86_64")
    digest = hashlib.sha256((tmp_path / "build" / "tiny-linux-x86_64" / "manifest.json").read_bytes()).hexdigest()
    case = read_run(PI)
    replace(case, release={**case.release, "digest": digest}).write(tmp_path / "run.json")
    code, out, _ = run("report", "run.json", "--json")
    assert (code, json.loads(out)["runs"][0]["origin"]["Bundle"]) == (0, digest)


def test_the_schema_is_printed(run: Any) -> None:
    code, out, _ = run("schema", "run")
    assert (code, json.loads(out)["$schema"]) == (0, "https://json-schema.org/draft/2020-12/schema")
    assert run("schema")[1] == out
    code, _, err = run("schema", "rum")
    assert (code, "Did you mean 'run'?" in err) == (2, True)
