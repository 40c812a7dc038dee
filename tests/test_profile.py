"""A profile tells what each record takes, on firmware as a process and on an emulated board."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import make_bundle
from mcu import BOARD, Process, make_image, make_mcu_bundle

from edgeq import cli, emulate
from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.cli.telling import tell_profile
from edgeq.deploy import deploy
from edgeq.device.device import Device, Release
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError
from edgeq.link.memory import MemoryLink
from edgeq.profile import Profile, Record, profile
from edgeq.protocol.status import Status

KERNELS = ["conv_i8", "fc_i8"]
"""Of the model in `tests/cases/models`, at least."""


@pytest.fixture
def process(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


def serve(address: str, folder: Path) -> int:
    """How many records the model has that serves now."""
    with open_device(address) as device:
        facts = device.describe()
        bundle = make_mcu_bundle(folder / "tiny", target=facts["target"], arch=facts["arch"])
        deploy(bundle, device)
        return len(device.profile())


def test_time_is_told_where_the_device_counts_time(process: Process, tmp_path: Path) -> None:
    records = serve(process.address, tmp_path)
    with open_device(process.address) as device:
        found = profile(device)
    assert (found.unit, found.how, len(found.records)) == ("ns", "measured", records)
    assert (found.release.n, found.release.name) == (1, "tiny")
    assert set(KERNELS) <= {item.kernel for item in found.records}
    assert sum(map(found.share, found.records)) == pytest.approx(1)


def test_an_image_without_a_manifest_has_a_profile_too(process: Process) -> None:
    image = make_image(target="host")
    digest = hashlib.sha256(image).hexdigest()
    with open_device(process.address) as device:
        with pytest.raises(DeviceError, match="deploy one first") as no:
            profile(device)
        assert no.value.status == Status.STATE
        device.put(digest, image, 0, lambda _: None)
        device.activate(device.stage(digest, []))
        assert profile(device).release.digest == digest


def test_a_linux_device_has_none(tmp_path: Path) -> None:
    service = Service(tmp_path / "store")
    with Device(MemoryLink(Connection(service).feed), "memory:") as device:
        deploy(make_bundle(tmp_path / "bundle"), device)
        with pytest.raises(DeviceError, match="memory: is no microcontroller") as no:
            profile(device)
    service.close()
    assert no.value.status == Status.UNSUPPORTED


def test_an_emulated_board_tells_instructions(
    firmware_board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(firmware_board))
    monkeypatch.setattr(sys, "argv", ["edgeq", "profile", f"qemu:{BOARD}", "--json"])
    try:
        records = serve(f"qemu:{BOARD}", tmp_path)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        emulate.stop(BOARD)
    told = json.loads(capsys.readouterr().out)
    assert not ended.value.code
    assert (told["unit"], told["how"], len(told["records"])) == ("instructions", "emulated", records)
    assert told["total"] == sum(item["spent"] for item in told["records"]) > 0
    assert 0.5 * told["total"] < told["invoke"] < 2 * told["total"]


RELEASE = Release(3, "0" * 64, "kws", "confirmed", True, False)


@pytest.mark.parametrize(
    ("unit", "row"),
    [("ns", "     1  fc_i8    1.50 us  12.5 %"), ("instructions", "     1  fc_i8           1,500  12.5 %")],
)
def test_the_table(unit: str, row: str) -> None:
    records = (Record("conv_i8", 10_500), Record("fc_i8", 1_500))
    document, text = tell_profile(Profile(RELEASE, unit, "emulated", 12_345, records), "bench")
    assert document["records"][1] == {"kernel": "fc_i8", "spent": 1500, "share": 0.125}
    assert (document["total"], document["invoke"]) == (12_000, 12_345)
    assert text.splitlines()[0].startswith("kws on bench: 12.3 us per" if unit == "ns" else "kws on bench: 12,345 inst")
    assert text.splitlines()[-1] == row


def test_records_that_are_too_quick_for_the_clock() -> None:
    found = Profile(RELEASE, "ns", "measured", 0, (Record("copy", 0),))
    assert found.share(found.records[0]) == 0
    assert "0.0 %" in tell_profile(found, "bench")[1]
