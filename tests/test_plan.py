"""The plan of a deploy: what is sent, what is there, what it would be refused for; nothing changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bundles import make_bundle, tiny
from inmemory import connect

from edgeq.agent.service import Service
from edgeq.deploy import deploy
from edgeq.errors import ArtifactError, DeviceError
from edgeq.plan import make_plan, policy_of
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy, describe_policy

READS = (contract.DESCRIBE, contract.BLOB_HAVE, contract.RELEASES, contract.MEMBER, (0, 0, smp.OS_PARAMS))


def test_only_questions_are_asked(service: Service, tmp_path: Path) -> None:
    one, two, asked = make_bundle(tmp_path / "one", name="one"), make_bundle(tmp_path / "two", name="two"), []
    with connect(service) as device:
        deploy(one, device)
    with connect(service, asked=asked) as device:
        plan = make_plan(two, device)
    assert set(asked) <= set(READS)
    assert (plan.same, plan.serving and plan.serving.name, plan.changes) == (False, "one", ())
    assert {piece.name: piece.offset for piece in plan.cargo.pieces} == {
        "manifest.json": 0,
        "model.tflite": None,
        "interface.json": None,
        "golden.cbor": None,
    }
    assert plan.cargo.pieces[0].name == "manifest.json"  # what is sent comes first
    assert plan.cargo.sent_bytes == two.path("manifest.json").stat().st_size
    assert any("4 golden vectors" in check for check in plan.checks)
    with connect(service) as device:
        assert make_plan(one, device).same


def test_what_a_deploy_would_be_refused_for(service: Service, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", interface=replace(tiny()[1], labels=("up", "down", "none")))
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "one"), device)
        with pytest.raises(DeviceError, match="The interface differs") as no:
            make_plan(other, device)
        assert no.value.status == Status.INTERFACE
        plan = make_plan(other, device, allow_interface_change=True)
        assert plan.changes and "label" in plan.changes[0]
        device.describe().update(free_bytes=10)
        with pytest.raises(DeviceError, match=r"needs .* on memory:; 10 B are free"):
            make_plan(make_bundle(tmp_path / "large", model=bytes(9000)), device)
        device.describe().update(free_bytes=1 << 30, signed=True)
        with pytest.raises(DeviceError, match="takes signed bundles only") as unsigned:
            make_plan(make_bundle(tmp_path / "two", name="two"), device)
        assert unsigned.value.status == Status.SIGNATURE


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (ConfirmPolicy(), "none; the golden vectors once more where it serves, then it is confirmed"),
        (ConfirmPolicy(window_s=30, good=5), "on trial until 30.0 s of serving, 5 good inferences"),
        (ConfirmPolicy(health=("x",), manual=True), "on trial until the health command, 'edgeq confirm'"),
    ],
)
def test_a_policy_in_words(policy: ConfirmPolicy, words: str) -> None:
    assert describe_policy(policy) == words


@pytest.mark.parametrize("confirm", [{"window": 3}, {"good": -1}, {"good": "x"}, [1], "soon"])
def test_a_policy_that_is_none_is_refused(confirm: object) -> None:
    with pytest.raises(ArtifactError, match="confirm policy cannot be used"):
        policy_of({"confirm": confirm})
    assert policy_of({}) == policy_of({"confirm": None}) == ConfirmPolicy()
