"""`edgeq doctor DEVICE`: the device's facts, the runtimes with reasons, what serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from inmemory import connect

from edgeq.agent.service import Service
from edgeq.cli.telling_doctor import tell_diagnosis
from edgeq.deploy import deploy
from edgeq.device.device import Device, Progress
from edgeq.doctor import MISSING, NOTE, OK
from edgeq.doctor.device import Diagnosis, diagnose_device
from edgeq.project import DeviceEntry
from edgeq.target import new_target

Ask = Callable[..., Diagnosis]
PI: dict[str, Any] = {
    **{"arch": "aarch64", "kernel_arch": "aarch64", "python": "3.11.2", "libc": "glibc 2.36", "numpy": ""},
    **{"runtime": None, "board": "Raspberry Pi 4", "free_bytes": 1 << 34},
}


@pytest.fixture
def ask(service: Service) -> Ask:
    """Ask an agent in this process, that says of itself what a test wants."""

    def asked(entry: DeviceEntry, **facts: Any) -> Diagnosis:
        def opened(address: str, _progress: Progress) -> Device:
            return connect(service, address, facts={**PI, **facts})

        return diagnose_device(entry, opener=opened)

    return asked


def states(found: Diagnosis) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


def test_a_pi_with_its_profile(ask: Ask) -> None:
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4"))
    assert [(verdict.runtime, verdict.answer) for verdict in found.verdicts] == [
        ("ai-edge-litert 2.3.0", "push"),
        ("tflite-runtime 2.14.0", "push"),
        ("system", "no"),
    ]
    assert found.works
    assert {"reached": OK, "host key": OK, "profile": OK, "free space": OK, "serves": NOTE}.items() <= states(
        found
    ).items()


def test_without_a_profile_everything_that_edgeq_pushes_is_judged(ask: Ask) -> None:
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi"))
    assert [verdict.runtime for verdict in found.verdicts] == [
        "ai-edge-litert 2.3.0",
        "tflite-runtime 2.14.0",
        "system",
    ]
    assert states(found)["profile"] == NOTE


def test_a_copy_of_a_profile_does_not_stand_for_the_emulator(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new_target("a-copy", "rpi4")
    found = ask(DeviceEntry("pi", "qemu:rpi4"))
    assert next(check.says for check in found.checks if check.name == "profile") == "rpi4"


def test_a_32_bit_system_under_a_64_bit_kernel_is_no_rpi4(ask: Ask) -> None:
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4"), arch="armv7l", numpy="1.24.2")
    check = next(check for check in found.checks if check.name == "profile")
    assert (check.state, "rpi4 is for aarch64, and the device is armv7l" in check.says) == (MISSING, True)
    assert "rpi4-32" in check.fix
    assert "its kernel says aarch64" in next(check.says for check in found.checks if check.name == "arch")
    assert not found.works


def test_nothing_works_on_musl(ask: Ask) -> None:
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4"), libc="musl 1.2.5")
    assert {verdict.answer for verdict in found.verdicts} == {"no"}
    assert not found.works


def test_a_full_device_is_told(ask: Ask) -> None:
    assert states(ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4"), free_bytes=1 << 20))["free space"] == MISSING


def test_what_serves_and_what_edgeq_toml_says_of_the_runtime(ask: Ask, service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "b"), device)
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4", runtime="system:/opt/litert"))
    says = {check.name: check.says for check in found.checks}
    assert says["serves"].startswith("tiny, release 1 (")
    assert "/opt/litert" in says["runtime"]


def test_it_is_told_with_reasons_and_hints(ask: Ask) -> None:
    document, text = tell_diagnosis(ask(DeviceEntry("pi", "ssh://pi@x", "rpi4"), python="3.9.2"), "pi")
    json.dumps(document)
    assert document["runtimes"][0]["answer"] == "no"
    assert "ai-edge-litert 2.3.0 has wheels for Python 3.10-3.13; the device has 3.9" in text
    assert "Install Python 3.10-3.13 on the device" in text


def test_what_the_agent_finds_of_its_own_place(ask: Ask) -> None:
    place = {"code": "store-noexec", "severity": "error", "message": "/data is noexec", "hint": "Mount it with exec."}
    linger = {"code": "no-linger", "severity": "warning", "message": "lingering is disabled", "hint": "sudo loginctl"}
    found = ask(DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4"), service="systemd", findings=[place, linger])
    told = [(check.name, check.state, check.says) for check in found.checks if check.name in ("store", "service")]
    assert told == [
        ("service", OK, "the agent is installed (systemd)"),
        ("store", MISSING, "/data is noexec"),
        ("service", NOTE, "lingering is disabled"),
    ]
    assert not found.works
    text = tell_diagnosis(found, "pi")[1]
    assert "store: Mount it with exec." in text
    assert "service: sudo loginctl" in text
