"""The straight line on every emulated microcontroller but the first, which `test_line_micro.py` has: official models of
MLPerf Tiny, unedited, over a serial line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mcu import board_firmware
from test_line_micro import TARGET, labelled, series

from edgeq import emulate
from edgeq.bench import bench
from edgeq.build import build
from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.emulate.boards import boards
from edgeq.errors import UsageError
from edgeq.infer import infer
from edgeq.interface import Array
from edgeq.micro.native import NativeModel
from edgeq.target import load_target

SAMPLES = 8
MODELS = {"mps2-an500": ("kws",), "mps2-an505": ("kws",), "riscv32": ("kws", "ad")}
"""For each board; `kws` and `ic` where it is not named. M7 and M33 run the kernels that the M4 runs; so does the M55,
which has `ic` for all three. Of the large models `ad` takes long on a serial line with room for one byte, and `ic`
without DSP instructions."""


def natively(bundle: Bundle, x: Array) -> bytes:
    """What the C runtime gives on this machine, from the same image."""
    with NativeModel((bundle.folder / "image.eqi").read_bytes()) as model:
        return b"".join(model.invoke([sample.tobytes()])[0] for sample in x)


@pytest.mark.emulated
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(boards()) - {TARGET}))
def test_official_models_answer_with_the_bytes_of_this_machine(
    name: str, shared_models: Path, tmp_path: Path, lent_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = load_target(name)
    if not boards()[name].installed:
        pytest.skip(f"{boards()[name].program} is not installed")
    try:
        monkeypatch.setenv("EDGEQ_FIRMWARE", str(board_firmware(target.name)))
    except UsageError as missing:
        pytest.skip(missing.message)
    try:
        for model in MODELS.get(name, ("kws", "ic")):
            (built,) = build(shared_models / f"{model}_mlperf_int8.tflite", [target], out=tmp_path)
            with open_device(f"qemu:{name}") as device:
                assert device.describe()["emulated"]
                assert deploy(built.bundle, device, allow_interface_change=True).changed
                tensor = device.interface().inputs[0]
                x = tensor.samples(labelled(shared_models, model, tensor)[:SAMPLES])
                (y,) = infer(device, [x], raw=True)
                first, second = (bench(device, runs=3, warmup=1) for _ in range(2))
            assert np.ascontiguousarray(y).tobytes() == natively(built.bundle, x), model
            assert len(set(series(first, "instructions") + series(second, "instructions"))) == 1
            assert first.one("invoke") is None  # instructions are no milliseconds
    finally:
        emulate.stop(name)
