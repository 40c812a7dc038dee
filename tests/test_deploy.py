"""Deploy: nothing twice, nothing damaged stays, the device's runtime is chosen before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.deploy import deploy, preflight
from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.link.memory import MemoryLink
from edgeq.protocol.status import Status
from edgeq.runtimes import wheels_for


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "store")
    yield service
    service.close()


def connect(service: Service, **facts: Any) -> Device:
    """A device in this process; `facts` replace what it says of itself."""
    device = Device(MemoryLink(Connection(service).feed), "memory:")
    device.describe().update(facts)
    return device


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
    with connect(service, arch="aarch64", libc="glibc 2.36", **facts) as device:
        assert [wheel.file.split("-")[0] for wheel in preflight(bundle, device)] == wheels


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
    with connect(service, **{"arch": "aarch64", **facts}) as device:
        before = device.client.sent_bytes
        with pytest.raises(DeviceError) as no:
            deploy(bundle, device)
        assert (no.value.status, message in no.value.message) == (Status.MISMATCH, True)
        assert device.client.sent_bytes - before < 200


def test_too_little_space_is_told_before_anything_is_sent(service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", model=bytes(100_000))
    with connect(service, free_bytes=150_000) as device, pytest.raises(DeviceError, match="needs 196") as no:
        deploy(bundle, device)
    assert no.value.status == Status.NO_SPACE
    assert list((service.store.root / "incoming").iterdir()) == []


def test_an_agent_that_starts_in_the_middle_of_a_trial_goes_back(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
        deploy(make_bundle(tmp_path / "b", name="b"), device)
    service.store.state.trial, service.store.state.current = 2, 1
    service.store.state.releases[2]["state"] = "trial"
    service.store.save()
    with connect(Service(service.store.root)) as device:
        assert [(item.name, item.state, item.serving) for item in device.releases()] == [
            ("a", "confirmed", True),
            ("b", "bad", False),
        ]
