"""The confirm policy in an image's envelope, and what a microcontroller refuses of one."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from bundles import tiny

from edgeq.errors import UsageError
from edgeq.micro.compile import compile_model
from edgeq.micro.image import ENVELOPE, Contents, write_image
from edgeq.micro.policy import PLAIN, POLICY, policy_bytes
from edgeq.transaction.confirm import LONGEST_S, MOST, ConfirmPolicy


def test_a_policy_is_twelve_bytes() -> None:
    policy = ConfirmPolicy(window_s=300.2, good=20, starts=3, latency_ms=1.5)
    assert policy_bytes(policy) == struct.pack("<IHHI", 301, 20, 3, 1500)
    assert policy_bytes(ConfirmPolicy()) == struct.pack("<IHHI", 0, 0, 1, 0)
    assert policy_bytes(ConfirmPolicy(window_s=LONGEST_S, good=MOST, starts=MOST))[4:8] == b"\xff" * 4
    assert policy_bytes(ConfirmPolicy(starts=0)) == PLAIN == bytes(POLICY.size)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("health", ("true",)),
        ("on_activate", ("true",)),
        ("manual", True),
        ("bad", 0),
        ("bad", 2),
        ("memory_bytes", 1),
        ("latency_ms", 5e6),
    ],
)
def test_what_a_microcontroller_cannot_do_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"'{key}'") as no:
        policy_bytes(ConfirmPolicy(**{key: value}))
    assert no.value.hint


def test_it_lies_in_the_signed_part_of_the_envelope() -> None:
    compiled = compile_model(tiny()[0])
    tensors = compiled.graph.tensors
    inputs, outputs = ([tensors[i] for i in part] for part in (compiled.graph.inputs, compiled.graph.outputs))
    image = lambda confirm: write_image(  # noqa: E731
        compiled.plan, compiled.arena, Contents(inputs, outputs, b"{}", confirm=confirm)
    )
    policy = policy_bytes(ConfirmPolicy(window_s=1))
    plain, watched = image(PLAIN), image(policy)
    assert watched[84:96] == policy
    assert [at for at in range(len(plain)) if plain[at] != watched[at]] == [84, 90]
    assert plain[ENVELOPE.size :] == watched[ENVELOPE.size :]
