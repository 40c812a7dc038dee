"""The confirm policy as data."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.transaction.confirm import LONGEST_S, MOST, ConfirmPolicy

COUNTS = st.integers(0, MOST)
SECONDS = st.floats(0, LONGEST_S, allow_nan=False)
COMMANDS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))).map(tuple)
POLICIES = st.builds(
    ConfirmPolicy, SECONDS, COUNTS, COUNTS, COUNTS, COMMANDS, SECONDS, COMMANDS, SECONDS, st.booleans()
)


@given(POLICIES)
@settings(max_examples=100)
def test_what_is_written_is_read_back(policy: ConfirmPolicy) -> None:
    assert ConfirmPolicy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


def test_the_usual_policy_says_nothing() -> None:
    assert ConfirmPolicy().to_json() == {}
    assert ConfirmPolicy().at_once
    assert not ConfirmPolicy(health=("true",)).at_once


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"windows": 3}, "windows"),
        ({"window_s": -1}, "window_s"),
        ({"window_s": float("nan")}, "window_s"),
        ({"good": 1.5}, "good"),
        ({"good": True}, "good"),
        ({"starts": MOST + 1}, "starts"),
        ({"health": "systemctl is-active app"}, "health"),
        ({"health": ["a\0b"]}, "health"),
        ({"manual": 1}, "manual"),
    ],
)
def test_what_is_out_of_range_is_named(data: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=f"'{key}'"):
        ConfirmPolicy.from_json(data)
