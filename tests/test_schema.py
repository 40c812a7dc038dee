"""The published schema of run.json takes every run that there is, of both versions, and refuses what a reader would."""

from __future__ import annotations

import copy
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edgeq import schema as published
from edgeq.errors import UsageError
from edgeq.run import HOW, SCHEMA, SEVERITIES, VERDICTS, Issue, Plan, Run, Series, read_run

CASES = [
    path for folder in ("runs", "reports") for path in sorted((Path(__file__).parent / "cases" / folder).glob("*.json"))
]
DOCUMENT: dict[str, Any] = json.loads(published.schema("run"))
VALIDATOR = Draft202012Validator(DOCUMENT)


def document(path: Path = CASES[0]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    assert published.names() == ["run"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_recorded_runs_are_valid_as_they_lie_and_written_anew(path: Path) -> None:
    VALIDATOR.validate(document(path))
    VALIDATOR.validate(json.loads(json.dumps(read_run(path).to_json())))


def test_a_run_of_schema_1_stays_among_the_cases_and_is_read() -> None:
    old = [path for path in CASES if document(path)["schema"] == 1]
    assert old
    run = read_run(old[0])
    assert (run.profile, run.energy, run.correctness, run.plan.sustained) == (None, None, None, False)


def test_schema_and_classes_know_the_same_keys() -> None:
    known = DOCUMENT["$defs"]
    for kind, name in ((Series, "series"), (Issue, "issue"), (Plan, "plan")):
        assert set(known[name]["properties"]) == {each.name for each in fields(kind)}
    assert set(DOCUMENT["properties"]) == {each.name for each in fields(Run)} - {"path"} | {"schema", "kind"}
    assert DOCUMENT["properties"]["schema"]["enum"] == list(range(1, SCHEMA + 1))
    assert DOCUMENT["properties"]["verdict"]["enum"] == list(VERDICTS)
    assert known["series"]["properties"]["how"]["enum"] == list(HOW)
    assert known["issue"]["properties"]["severity"]["enum"] == list(SEVERITIES)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 3),
        (("kind",), "edgeq-report"),
        (("verdict",), "fine"),
        (("series", 0, "how"), "guessed"),
        (("series", 0, "mean"), 1.0),
        (("series", 0, "values"), ["1"]),
        (("plan", "runs"), -1),
        (("issues", 0, "severity"), "grave"),
        (("profile",), {"unit": "ms", "ops": []}),
        (("energy",), {"tier": "T9"}),
    ],
    ids=str,
)
def test_what_a_run_must_not_say_is_refused(path: tuple[Any, ...], value: object) -> None:
    data = copy.deepcopy(document())
    *way, last = path
    place = data
    for key in way:
        place = place[key]
    place[last] = value
    assert not VALIDATOR.is_valid(data)


def test_schema_2_has_all_of_its_keys() -> None:
    data = json.loads(json.dumps(read_run(CASES[0]).to_json()))
    for key in ("profile", "energy", "correctness"):
        assert not VALIDATOR.is_valid({name: value for name, value in data.items() if name != key})
    assert not VALIDATOR.is_valid({**data, "plan": {"runs": 1, "warmup": 0, "threads": 1}})


def test_an_unknown_name_gets_a_near_one() -> None:
    with pytest.raises(UsageError, match="no schema 'rum'") as caught:
        published.schema("rum")
    assert "'run'" in caught.value.hint
