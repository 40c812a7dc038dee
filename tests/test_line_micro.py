"""The straight line on an emulated Cortex-M4: the official models of MLPerf Tiny, unedited, over a serial line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_streaming import STEPS, svdf_model

from edgeq.bench import bench
from edgeq.build import build
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.infer import infer
from edgeq.interface import Array, Tensor
from edgeq.run import Run
from edgeq.target import load_target

SAMPLES = 30
TARGET = "mps2-an386"
TFLM_ARENA = {"kws": 22_820, "ic": 54_996, "ad": 2_580}
"""Bytes of TFLM's arena alone, with CMSIS-NN on a Cortex-M4 (tflite-micro 90b983c2, gcc 12.2)."""


def labelled(shared_models: Path, name: str, tensor: Tensor) -> Array:
    """The first samples of each data set as the model's own integers (n, *shape)."""
    if name == "kws":
        return np.load(shared_models / "kws01_mfcc_int8.npz")["x"][:SAMPLES].astype(np.int8)
    if name == "ic":
        pixels = np.load(shared_models / "ic01_raw200.npz")["x"][:SAMPLES]
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    clips = np.load(shared_models / "ad01_logmel_f16.npz")["x"][:SAMPLES].astype(np.float32)
    return tensor.quantize(clips[:, : tensor.shape[1]])


def series(run: Run, name: str) -> tuple[float, ...]:
    found = run.one(name)
    assert found is not None and found.how == "emulated"
    return found.values


def streams_with_its_state(folder: Path, tflm: Callable[..., list[list[Array]]]) -> None:
    """An SVDF model remembers what came before, over fifty requests."""
    path = folder / "stream.tflite"
    path.write_bytes(svdf_model())
    (built,) = build(path, [load_target(TARGET)], out=folder)
    x = np.random.default_rng(4).integers(-128, 128, (STEPS, 12)).astype(np.int8)
    with open_device(f"qemu:{TARGET}") as device:
        deploy(built.bundle, device, allow_interface_change=True)
        (y,) = infer(device, [x], raw=True)
    expected = np.concatenate([step[0] for step in tflm(path.read_bytes(), [[sample[None]] for sample in x])])
    assert y.tobytes() == expected.tobytes()


@pytest.mark.emulated
@pytest.mark.slow
def test_official_models_answer_with_tflms_bytes(
    shared_models: Path, tmp_path: Path, lent_home: Path, firmware_board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeq import emulate

    tflm = pytest.importorskip("oracles", reason="TFLM's wheel is not installed").tflm
    if not any(recipe.ok for recipe in emulate.probe(TARGET)):
        pytest.skip(emulate.probe(TARGET)[0].why)
    monkeypatch.setenv("EDGEQ_FIRMWARE", str(firmware_board))
    try:
        for name in ("kws", "ic", "ad"):
            path = shared_models / f"{name}_mlperf_int8.tflite"
            (built,) = build(path, [load_target(TARGET)], out=tmp_path)
            with open_device(f"qemu:{TARGET}") as device:
                done = deploy(built.bundle, device, allow_interface_change=True)
                assert (done.changed, done.golden["worst"]) == (True, 0)
                assert not deploy(built.bundle, device, allow_interface_change=True).changed
                tensor = device.interface().inputs[0]
                x = tensor.samples(labelled(shared_models, name, tensor))
                (y,) = infer(device, [x], raw=True)
                profile = device.profile()
                first, second = (bench(device, runs=5, warmup=1) for _ in range(2))
            expected = np.concatenate([step[0] for step in tflm(path.read_bytes(), [[sample[None]] for sample in x])])
            assert y.tobytes() == expected.tobytes(), name
            assert series(first, "instructions") == series(second, "instructions")
            assert sum(cost for _, cost in profile) == pytest.approx(series(first, "instructions")[0], rel=0.02)
            assert first.one("invoke") is None  # instructions are no milliseconds
            assert series(first, "ram")[0] < TFLM_ARENA[name]
        streams_with_its_state(tmp_path, tflm)
        with open_device(f"qemu:{TARGET}") as device:
            assert device.rollback()
            assert [item.name for item in device.releases() if item.serving] == ["ad_mlperf_int8"]
    finally:
        emulate.stop(TARGET)
