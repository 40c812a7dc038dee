"""Deploy: nothing twice, nothing damaged stays, the device's runtime is chosen before anything is sent."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from inmemory import connect
from signers import Signer, envelope, signed, trust

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.bundle import Bundle, read_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError, GateFailed, LinkError, UsageError
from edgeq.link.memory import MemoryLink
from edgeq.plan import preflight
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status
from edgeq.runtime import MODULES
from edgeq.runtimes import wheels_for
from edgeq.transaction.steps import Event
from edgeq.transaction.trial import Interrupted, LeftToDevice

OTHER = {"name": "tflite-runtime", "version": "0.1", "threads": 1, "wheels": []}
"""A runtime that no device here has."""


def test_the_second_deploy_sends_next_to_nothing(service: Service, tmp_path: Path) -> None:
    bundle, lines = make_bundle(tmp_path / "b"), []
    with connect(service) as device:
        first = deploy(bundle, device, lines.append)
    assert first.changed
    assert any("self-test" in line for line in lines)
    with connect(service) as device:
        second = deploy(bundle, device)
    assert (second.changed, second.n) == (False, first.n)
    assert second.sent_bytes < 2000 < first.sent_bytes


@pytest.mark.parametrize("name", ["model.tflite", "manifest.json", "golden.cbor"])
def test_a_release_that_rotted_is_deployed_anew(service: Service, tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "b")
    with connect(service) as device:
        deploy(bundle, device)
        member = service.store.root / "releases" / "1" / name
        member.write_bytes(member.read_bytes()[:-1] + b"\0")
        with pytest.raises(DeviceError) as no:
            device.selftest()
        assert no.value.status == Status.DIGEST
        for _ in range(2):  # the first try finds that the blob behind it rotted too, and has it sent again
            try:
                again = deploy(bundle, device)
            except DeviceError as error:
                assert error.status == Status.DIGEST
        assert (again.changed, again.n) == (True, 2)
        assert device.selftest()["vectors"] == 4


@pytest.mark.parametrize(
    ("facts", "wheels"),
    [
        ({"python": "3.11.2", "runtime": None}, ["ai_edge_litert", "numpy"]),
        ({"python": "3.13.5", "runtime": {"name": "ai-edge-litert", "version": "2.1.0"}}, ["ai_edge_litert", "numpy"]),
        ({"python": "3.13.5", "runtime": {"name": "ai-edge-litert", "version": "2.3.0"}}, []),
    ],
)
def test_the_runtime_wheels_that_a_device_needs(
    service: Service, tmp_path: Path, facts: dict[str, Any], wheels: list[str]
) -> None:
    bundle = make_bundle(tmp_path / "b", arch="aarch64", wheels=wheels_for("ai-edge-litert", "2.3.0", "aarch64"))
    with connect(service, facts={"arch": "aarch64", "libc": "glibc 2.36", **facts}) as device:
        assert [wheel.file.split("-")[0] for wheel in preflight(bundle, device).wheels] == wheels


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"arch": "armv7l"}, "is for aarch64; memory: is armv7l"),
        ({"python": "3.9.2", "runtime": None, "libc": "glibc 2.36"}, "the device has 3.9"),
        ({"python": "3.11.2", "runtime": None, "libc": "unknown"}, "needs glibc"),
        ({"python": "3.11.2", "runtime": None, "libc": "glibc 2.17"}, "glibc"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_sent(
    service: Service, tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    bundle = make_bundle(tmp_path / "b", arch="aarch64", wheels=wheels_for("ai-edge-litert", "2.3.0", "aarch64"))
    with connect(service, facts={"arch": "aarch64", **facts}) as device:
        before = device.client.sent_bytes
        with pytest.raises(DeviceError) as no:
            deploy(bundle, device)
        assert (no.value.status, message in no.value.message) == (Status.MISMATCH, True)
        assert device.client.sent_bytes - before < 200


def test_too_little_space_is_told_before_anything_is_sent(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", model=bytes(100_000))
    with connect(service, facts={"free_bytes": 150_000}) as device, pytest.raises(DeviceError, match="needs 196") as no:
        deploy(bundle, device)
    assert no.value.status == Status.NO_SPACE
    assert list((service.store.root / "incoming").iterdir()) == []


def test_an_agent_that_starts_too_often_in_the_middle_of_a_trial_goes_back(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
        deploy(make_bundle(tmp_path / "b", name="b"), device)
    service.store.state.trial, service.store.state.current, service.store.state.starts = 2, 1, 1
    service.store.state.releases[2]["state"] = "trial"
    service.store.save()
    with connect(Service(service.store.root)) as device:
        assert [(item.name, item.state, item.serving) for item in device.releases()] == [
            ("a", "confirmed", True),
            ("b", "bad", False),
        ]


def place_of_the_runtime() -> str:
    """The folder that this Python has its runtime from."""
    for module in MODULES:
        found = importlib.util.find_spec(module)
        if found and found.origin:
            return str(Path(found.origin).parents[1])
    pytest.skip("no runtime for .tflite models is installed here")


def test_a_device_s_own_runtime_is_used_where_it_is_said(service: Service, tmp_path: Path) -> None:
    bundle, place = make_bundle(tmp_path / "b", runtime=OTHER), place_of_the_runtime()
    with connect(service) as device:
        with pytest.raises(DeviceError, match="memory: cannot run"):
            deploy(bundle, device)
        first = deploy(bundle, device, runtime=f"system:{place}")
        assert (first.changed, first.golden["vectors"]) == (True, 4)
        assert str((service.store.root / "runtime").readlink()) == place
        assert deploy(bundle, device, runtime=f"system:{place}").changed is False
        moved = deploy(bundle, device, runtime="system")
        assert (moved.changed, moved.n) == (True, first.n + 1)


def sign(bundle: Bundle, *signers: Signer) -> tuple[Bundle, bytes]:
    """The bundle with these signatures, and what a device keeps of them."""
    found = envelope(bundle.path("manifest.json").read_bytes(), *signers)
    bundle.path("signature.json").write_bytes(found.encode())
    return read_bundle(bundle.folder), found.detached().encode()


@pytest.mark.parametrize("runtime", ["", "system:PLACE"])
def test_what_serves_already_gets_the_signatures_that_came_later(
    service: Service, tmp_path: Path, runtime: str
) -> None:
    builder, approver = Signer("builder"), Signer("approver")
    bundle = make_bundle(tmp_path / "b")
    runtime = runtime.replace("PLACE", place_of_the_runtime())
    with connect(service) as device:
        first = deploy(bundle, device, runtime=runtime)
        assert not first.signed
        facts = service.store.facts(first.n)
        for signers in ((builder,), (builder, approver)):
            (bundle, sent), heard = sign(bundle, *signers), list[Event]()
            again = deploy(bundle, device, events=heard.append)
            assert (again.n, again.changed, again.signed) == (first.n, False, True)
            assert service.store.envelope(first.n) == sent
            assert [event.step for event in heard if event.state == "done"] == [
                *("preflight", "hold", "self-test", "verify")
            ]
        assert device.verify()["releases"] == [{"n": 1, "sound": True, "signed": []}]
        service.trust(*signed(trust([builder], [approver]), builder, approver))
        assert device.verify()["releases"][0]["signed"] == sorted([builder.id, approver.id])
        assert (service.store.facts(first.n), len(device.releases())) == (facts, 1)
        kept = service.store.envelope(first.n)
        bundle, _ = sign(bundle, builder)
        with pytest.raises(
            DeviceError, match=r"approver.* The deploy ended at its verify step; release 1 .* still serve"
        ):
            deploy(bundle, device)
        assert service.store.envelope(first.n) == kept


def test_a_second_release_of_the_same_bundle_is_the_one_that_is_signed(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    with connect(service) as device:
        deploy(bundle, device)
        second = deploy(bundle, device, runtime=f"system:{place_of_the_runtime()}")
        assert second.changed
        bundle, sent = sign(bundle, Signer("builder"))
        again = deploy(bundle, device)
    assert (again.n, again.changed, again.signed) == (second.n, False, True)
    assert (service.store.envelope(second.n - 1), service.store.envelope(second.n)) == (None, sent)


def test_signatures_reach_what_is_on_trial(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", confirm={"window_s": 600})
    with connect(service) as device:
        deploy(bundle, device, watch=False)
        bundle, sent = sign(bundle, Signer("builder"))
        again = deploy(bundle, device, watch=False)
        assert (again.n, again.state, again.signed, service.store.envelope(1)) == (1, "trial", True, sent)
        assert device.installed().trial == 1


def test_a_profile_may_say_that_the_system_s_runtime_is_meant(service: Service, tmp_path: Path) -> None:
    own = {"name": "system", "version": "any", "threads": 1, "wheels": [], "path": place_of_the_runtime()}
    with connect(service) as device:
        assert deploy(make_bundle(tmp_path / "b", runtime=own), device).changed


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("system:/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("system:relative", "there is no folder relative"),
        ("system:/usr", "/usr holds neither ai_edge_litert nor tflite_runtime"),
    ],
)
def test_a_runtime_that_is_not_there_is_told_before_anything_switches(
    service: Service, tmp_path: Path, runtime: str, message: str
) -> None:
    with connect(service) as device:
        before = deploy(make_bundle(tmp_path / "a"), device)
        with pytest.raises(DeviceError, match=message) as no:
            deploy(make_bundle(tmp_path / "b", runtime=OTHER), device, runtime=runtime)
        assert no.value.status == Status.MISMATCH
        assert [release.n for release in device.releases() if release.serving] == [before.n]


def test_an_unknown_word_for_a_runtime_is_refused(service: Service, tmp_path: Path) -> None:
    with connect(service) as device, pytest.raises(UsageError, match="'litert' of a device"):
        deploy(make_bundle(tmp_path / "b"), device, runtime="litert")


@pytest.mark.parametrize(("step", "alone"), [("self-test", False), ("activate", True)])
def test_ctrl_c_says_whether_the_device_goes_on(service: Service, tmp_path: Path, step: str, alone: bool) -> None:
    def stop(text: str) -> None:
        if text.startswith(step):
            raise KeyboardInterrupt

    with connect(service) as device, pytest.raises(KeyboardInterrupt) as stopped:
        deploy(make_bundle(tmp_path / "b"), device, stop)
    assert isinstance(stopped.value, Interrupted)
    assert (isinstance(stopped.value, LeftToDevice), stopped.value.facts) == (alone, {"step": step})
    told = "by itself; 'edgeq releases memory:' shows" if alone else "What serves on memory: was left as it is. Run"
    assert told in stopped.value.hint


class Breaks:
    """A link whose device hears the request that `breaks_at` names, and whose answer never comes."""

    def __init__(self, service: Service, breaks_at: tuple[int, int, int]) -> None:
        self._service, self._breaks_at = service, breaks_at

    def open(self, breaks: bool = True) -> MemoryLink:
        """A new connection."""
        connection, broken = Connection(self._service), list[bool]()

        def peer(data: bytes) -> bytes:
            answer = b"" if broken else connection.feed(data)
            request = smp.decode(data)
            if broken or (breaks and (request.op, request.group, request.command) == self._breaks_at):
                broken.append(True)
                connection.close()
                raise LinkError("the cable was pulled.", "Put it back.")
            return answer

        return MemoryLink(peer)


@pytest.mark.parametrize("spoiled", [False, True])
def test_an_activation_whose_link_breaks_is_asked_for_on_a_new_one(
    service: Service, tmp_path: Path, spoiled: bool
) -> None:
    link = Breaks(service, contract.ACTIVATE)
    policy = {"health": ["/bin/false"], "health_every_s": 0.1} if spoiled else {}
    bundle = make_bundle(tmp_path / "b", confirm=policy)
    with Device(link.open(), "memory:", lambda: link.open(False)) as device:
        if spoiled:
            with pytest.raises((DeviceError, GateFailed), match="went back from release 1") as no:
                deploy(bundle, device)
            assert no.value.facts["serving"] is None
        else:
            done = deploy(bundle, device)
            assert (done.state, done.golden["vectors"], done.changed) == ("confirmed", 4, True)


@pytest.mark.parametrize("breaks_at", [contract.STAGE, contract.SELFTEST, contract.ACTIVATE])
def test_where_the_link_is_gone_nothing_is_claimed(
    service: Service, tmp_path: Path, breaks_at: tuple[int, int, int]
) -> None:
    bundle, link = make_bundle(tmp_path / "b"), Breaks(service, breaks_at)
    with Device(link.open(), "memory:") as device, pytest.raises(LinkError, match="now is not known") as gone:
        deploy(bundle, device)
    assert "serving" not in gone.value.facts
    assert f"ended at its {gone.value.facts['step']} step" in gone.value.message
    with connect(service) as device:  # and the same command again converges
        for _ in range(100):
            try:
                assert deploy(bundle, device).n == 1
                return
            except DeviceError as error:
                assert error.status == Status.BUSY  # the job goes on without us
                time.sleep(0.1)


def test_a_transfer_that_was_cut_says_where_it_resumes(service: Service, tmp_path: Path) -> None:
    model = bytes(range(256)) * 2000
    bundle = make_bundle(tmp_path / "b", model=model)
    cut = connect(service, close_after=300_000)
    with cut, pytest.raises(LinkError) as gone:
        deploy(bundle, cut)
    assert gone.value.facts["step"] == "stage"
    events: list[Event] = []
    with connect(service) as device, pytest.raises(DeviceError):  # these bytes are no model
        deploy(bundle, device, events=events.append)
    (resumed,) = [event for event in events if "resumes at" in event.text]
    assert resumed.facts["file"] == "model.tflite" and 0 < resumed.facts["offset"] < len(model)


def test_the_same_bundle_on_trial_is_watched_on(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", confirm={"window_s": 2})
    with connect(service) as device:
        assert deploy(bundle, device, watch=False).state == "trial"
        again = deploy(bundle, device)
        assert (again.n, again.changed, again.state) == (1, False, "confirmed")


def test_while_another_release_is_on_trial_nothing_is_sent(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "a", name="a", confirm={"manual": True}), device, watch=False)
        with pytest.raises(DeviceError, match=r"release 1 .* is on trial") as no:
            deploy(make_bundle(tmp_path / "b", name="b"), device)
        assert (no.value.status, no.value.facts["step"]) == (Status.STATE, "hold")
        assert "--reject" in no.value.hint
        assert [release.n for release in device.releases()] == [1]


def test_what_serves_already_is_tested_and_its_test_is_told(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    with connect(service) as device:
        assert deploy(bundle, device).golden == deploy(bundle, device).golden


@pytest.mark.parametrize(
    ("policy", "step", "state"),
    [({"latency_ms": 1e-6}, "gates", "staged"), ({"on_activate": ["/bin/false"]}, "activate", "bad")],
)
def test_a_command_that_fails_is_no_gate(
    service: Service, tmp_path: Path, policy: dict[str, Any], step: str, state: str
) -> None:
    with connect(service) as device, pytest.raises(DeviceError) as no:
        deploy(make_bundle(tmp_path / "b", confirm=policy), device)
    assert (no.value.status, no.value.facts["step"]) == (Status.GATE, step)
    assert service.releases()["releases"][0]["state"] == state
