"""The events of a deploy: their order, what is a line for people, what is data."""

from __future__ import annotations

import json

import pytest

from edgeq.transaction.steps import HOLD, PREFLIGHT, STAGE, Event, Steps


def test_every_step_begins_and_ends() -> None:
    lines: list[str] = []
    events: list[Event] = []
    steps = Steps(lines.append, events.append)
    with steps.step(PREFLIGHT):
        pass
    with steps.step(HOLD):
        steps.passed("")
    with pytest.raises(KeyError), steps.step(STAGE):
        steps.note("sending a.bin", file="a.bin", offset=3)
        raise KeyError
    steps.failed("it broke", error={"exit_code": 4})
    assert [(event.step, event.state) for event in events] == [
        ("preflight", "begun"),
        ("preflight", "done"),
        ("hold", "begun"),
        ("hold", "passed over"),
        ("stage", "begun"),
        ("stage", "note"),
        ("stage", "failed"),
    ]
    assert lines == ["stage: sending a.bin"]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)


def test_an_event_is_one_json_object() -> None:
    event = Event(STAGE, "note", "sending", 1.23456, {"file": "a.bin", "offset": 3})
    assert json.loads(json.dumps(event.to_json())) == {
        "step": "stage",
        "state": "note",
        "text": "sending",
        "seconds": 1.235,
        "file": "a.bin",
        "offset": 3,
    }
