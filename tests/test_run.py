"""The run document: what is written is read again, and damage is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import ArtifactError
from edgeq.probe.validity import judge
from edgeq.run import HOW, Issue, Plan, Run, Series, read_run

CASES = sorted((Path(__file__).parent / "cases" / "runs").glob("*.json"))

numbers = st.floats(allow_nan=False, allow_infinity=False)
series = st.builds(
    Series,
    name=st.text(max_size=9),
    unit=st.sampled_from(("ns", "bytes", "mw")),
    how=st.sampled_from(HOW),
    values=st.lists(numbers, max_size=9).map(tuple),
    t_s=st.lists(numbers, max_size=3).map(tuple),
    error_pct=st.none() | numbers,
    source=st.text(max_size=9),
)
runs = st.builds(
    Run,
    created=st.text(max_size=9),
    edgeq=st.text(max_size=9),
    device=st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.booleans() | st.integers(-9, 9)),
    release=st.just({"name": "x", "evaluation": None}),
    plan=st.builds(Plan, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.none() | st.floats(0, 9)),
    environment=st.just({"before": {"load_1m": 0.5}}),
    series=st.lists(series, max_size=3).map(tuple),
    verdict=st.sampled_from(("valid", "degraded", "invalid")),
    issues=st.just((Issue("c", "info", "m", "h"),)),
    profile=st.none() | st.just({"unit": "ns", "ops": [{"op": "CONV_2D", "avg": 2.5}]}),
    energy=st.none() | st.just({"tier": "T2", "budget": {"gate": 0.5}}),
    correctness=st.none() | st.just({"samples": 5, "value": 0.8}),
    path=st.none(),
)


@settings(max_examples=50)
@given(runs)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    path = tmp_path_factory.getbasetemp() / "deep" / "run.json"
    run.write(path)
    again = read_run(path)
    assert again == run
    assert again.path == path
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def test_series_are_found_by_name() -> None:
    run = read_run(CASES[0])
    found = run.one("invoke")
    assert found is not None
    assert found.unit == "ns"
    assert run.one("absent") is None


def test_runs_of_schema_1_are_read() -> None:
    assert {json.loads(path.read_bytes())["schema"] for path in CASES} >= {1}
    for path in CASES:
        run = read_run(path)
        assert run.to_json()["schema"] == 2
        if json.loads(path.read_bytes())["schema"] == 1:
            assert (run.plan.seconds, run.plan.delegate, run.profile, run.energy) == (None, "", None, None)


def document() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(CASES[0].read_text(encoding="utf-8"))
    return data


def damaged(change: dict[str, Any]) -> str:
    return json.dumps({**document(), **change})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a run"),
        ("[]", "this is not a run"),
        ('{"kind": "edgeq-bundle"}', "this is not a run"),
        (damaged({"schema": 3}), r"schema 3 is newer than this edgeq's \(2\)"),
        (damaged({"schema": "x"}), "the run is damaged"),
        (damaged({"plan": {"runs": 1}}), "the run is damaged"),
        (damaged({"series": [{"name": "invoke"}]}), "the run is damaged"),
        (damaged({"series": 7}), "the run is damaged"),
        (damaged({"device": [1]}), "the run is damaged"),
        (damaged({"verdict": "splendid"}), "the verdict is 'splendid'"),
        (damaged({"issues": [{"code": "x", "severity": "fatal", "message": ""}]}), "'fatal'"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=message) as caught:
        read_run(path)
    assert "run.json" in caught.value.message


@pytest.mark.parametrize(("key", "value"), [("how", "guessed"), ("values", [math.nan]), ("t_s", [math.inf])])
def test_a_series_that_breaks_the_rules_is_named(tmp_path: Path, key: str, value: object) -> None:
    data = document()
    data["series"][0][key] = value
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ArtifactError, match="series 'init'"):
        read_run(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.json: cannot be read as a run"):
        read_run(tmp_path / "none.json")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_cases_are_judged_as_they_say(path: Path) -> None:
    run = read_run(path)
    assert "test data" in run.device["board"]
    assert judge(run) == (run.verdict, run.issues)
