"""`edgeq fetch`: what a target needs, by digest, and nothing twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgeq import fetch as verb
from edgeq.errors import DeviceError, UsageError
from edgeq.fetch import fetch_target, wheels_of
from edgeq.host.paths import home
from edgeq.runtimes import Wheel
from edgeq.target import all_targets, load_target


def test_the_wheels_are_those_that_a_deploy_pushes() -> None:
    assert [(wheel.name, wheel.python) for wheel in wheels_of(load_target("rpi4"), [])] == [
        ("ai-edge-litert", "cp311"),
        ("numpy", "cp311"),
    ]
    pythons = [wheel.python for wheel in wheels_of(load_target("rpi4"), ["3.12", "3.13"])]
    assert pythons == ["cp312", "cp312", "cp313", "cp313"]
    assert [wheel.name for wheel in wheels_of(load_target("rpi-zero-2-w-32"), [])] == ["tflite-runtime"]


def test_what_does_not_exist_is_told() -> None:
    with pytest.raises(DeviceError, match=r"has wheels for Python 3.9-3.11; the device has 3.13"):
        wheels_of(load_target("rpi-zero-2-w-32"), ["3.13"])
    with pytest.raises(UsageError, match="'python3' is not a version"):
        wheels_of(load_target("rpi4"), ["python3"])
    with pytest.raises(UsageError, match="no emulator of rpi5") as no:
        fetch_target(load_target("rpi5"), emulator=True)
    assert "rpi-zero-2-w-32" in no.value.hint


@pytest.mark.parametrize("profile", list(all_targets()), ids=lambda profile: profile.name)
def test_every_profile_has_an_answer(profile: object) -> None:
    from edgeq.target import TargetProfile

    assert isinstance(profile, TargetProfile)
    own = profile.kind != "linux" or profile.runtime.name == "edgeq-micro"
    assert bool(wheels_of(profile, [])) != own


def test_the_items_lie_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Wheel] = []

    def fetched(wheel: Wheel, **_: object) -> Path:
        asked.append(wheel)
        path = home() / "wheels" / wheel.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"wheel")
        return path

    monkeypatch.setattr(verb, "fetch", fetched)
    items = fetch_target(load_target("rpi4"))
    assert [item.what for item in items] == ["ai-edge-litert 2.3.0 for cp311", "numpy 2.2.6 for cp311", "agent"]
    assert [item.sha256 for item in items[:2]] == [wheel.sha256 for wheel in asked]
    agent = items[-1].path
    assert agent is not None
    assert agent.parent == home()
    assert agent.name == f"agent-{hashlib.sha256(agent.read_bytes()).hexdigest()[:16]}.pyz"


def test_a_microcontroller_needs_the_runtime_of_this_machine() -> None:
    (item,) = fetch_target(load_target("nrf52840-dk"))
    assert item.path is not None
    assert (item.what, item.path.is_file()) == ("runtime for this machine", True)
