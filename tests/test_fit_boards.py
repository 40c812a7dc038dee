"""What `edgeq check` says of emulated microcontrollers is what they do: a model that fits to the byte runs, one that is
a row larger is refused, by the verdict and by the device alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flat import Op, Tensor, options, write_model
from mcu import board_firmware

from edgeq import emulate
from edgeq.build import build
from edgeq.building.candidate import candidate
from edgeq.check import check
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.boards import boards
from edgeq.errors import DeviceError, FitError, UsageError
from edgeq.micro.compile import compile_model
from edgeq.target import TargetProfile, load_target

pytestmark = [pytest.mark.emulated, pytest.mark.slow]
ROW = 128


def model(path: Path, arena_bytes: int) -> Path:
    """A small file that takes this much of the arena: its one row, repeated many times, then the largest of all."""

    def written(rows: int) -> bytes:
        source = Tensor((1, ROW), "int8", (0.5,))
        many = source.like((rows, ROW))
        times, axes = (
            Tensor(shape, "int32", data=np.array(data, np.int32)) for shape, data in (((2,), [rows, 1]), ((1,), [0]))
        )
        out = source.like((1, ROW))
        ops = [
            Op("TILE", (source, times), (many,)),
            Op("REDUCE_MAX", (many, axes), (out,), options("Reducer", keepDims=True)),
        ]
        return write_model(ops, (source,), (out,))

    rows = arena_bytes // ROW - 64
    rows += (arena_bytes - compile_model(written(rows)).arena.bytes) // ROW
    path.write_bytes(written(rows))
    assert compile_model(path.read_bytes()).arena.bytes == arena_bytes
    return path


@pytest.fixture(params=["mps2-an386", "mps3-an547"])
def target(request: pytest.FixtureRequest) -> TargetProfile:
    return load_target(request.param)


@pytest.fixture
def board(target: TargetProfile, tmp_path: Path, lent_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    if not boards()[target.emulator].installed:
        pytest.skip(f"{boards()[target.emulator].program} is not installed")
    try:
        monkeypatch.setenv("EDGEQ_FIRMWARE", str(board_firmware(target.name)))
    except UsageError as missing:
        pytest.skip(missing.message)
    with open_device(f"qemu:{target.emulator}") as device:
        yield device
    emulate.stop(target.emulator)


def test_the_verdict_is_what_the_board_does(target: TargetProfile, board: Device, tmp_path: Path) -> None:
    limit = board.describe()["arena_bytes"]
    assert limit == target.arena_limit_bytes

    fitting = model(tmp_path / "fits.tflite", limit)
    assert check(candidate(fitting), target).fits
    (built,) = build(fitting, [target], out=tmp_path)
    assert deploy(built.bundle, board).changed
    assert board.selftest()["vectors"] == 8

    larger = model(tmp_path / "larger.tflite", limit + ROW)
    assert not check(candidate(larger), target).fits
    with pytest.raises(FitError, match="RAM"):
        build(larger, [target], out=tmp_path)
    # Who claims that the board is larger meets a device that knows better, before it erases anything.
    claimed = replace(target, memory=replace(target.memory, ram_reserved_bytes=0))
    (forced,) = build(larger, [claimed], out=tmp_path)
    with pytest.raises(DeviceError, match="arena"):
        deploy(forced.bundle, board, allow_interface_change=True)
    assert next(release for release in board.releases() if release.serving).digest == built.bundle.digest
