"""The confirm policy of a manifest: plain where there is none, refused by name where it cannot be kept."""

from __future__ import annotations

from typing import Any

import pytest

from edgeq.agent.errors import Refused
from edgeq.agent.policy import policy_of
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy


def test_a_policy_travels_in_the_manifest() -> None:
    assert policy_of({}) == ConfirmPolicy()
    policy = ConfirmPolicy(window_s=3.0, good=2, health=("true",))
    assert policy_of({"confirm": policy.to_json()}) == policy


@pytest.mark.parametrize(
    ("confirm", "status", "said"),
    [
        ({"cosmic": 1}, Status.NEWER, "'cosmic'"),
        ({"window_s": -1}, Status.INVALID, "'window_s'"),
        ({"health": "true"}, Status.INVALID, "'health'"),
        (None, Status.INVALID, "not a table"),
        ([], Status.INVALID, "not a table"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(confirm: Any, status: Status, said: str) -> None:
    with pytest.raises(Refused, match=said) as no:
        policy_of({"confirm": confirm})
    assert no.value.status == status
