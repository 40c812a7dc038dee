"""The straight line on a 32-bit Raspberry Pi: tflite-runtime beside the system's numpy, then our own runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeq import emulate
from edgeq.bench import bench
from edgeq.build import build
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.doctor.device import diagnose_device
from edgeq.errors import UsageError
from edgeq.micro.linux import linux_library
from edgeq.project import DeviceEntry
from edgeq.target import load_target

NAME = "rpi-zero-2-w-32"
pytestmark = [pytest.mark.emulated, pytest.mark.slow]


@pytest.fixture(scope="module")
def zero(lend_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Device]:
    """One that was never deployed to before, for all tests: its bundles replace one another."""
    if not any(recipe.ok for recipe in emulate.probe(NAME)):
        pytest.skip("this machine allows no recipe for an emulated Pi")
    with lend_home():
        yield from _booted()


def _booted() -> Iterator[Device]:
    try:
        with open_device(f"qemu:{NAME}") as device:
            yield device
            device.reset()
    finally:
        emulate.stop(NAME)


@pytest.mark.parametrize("name", ["kws", "ic"])
def test_tflite_runtime_within_the_profile_s_tolerance(
    name: str, zero: Device, shared_models: Path, tmp_path: Path
) -> None:
    target = load_target(NAME)
    (built,) = build(shared_models / f"{name}_mlperf_int8.tflite", [target], out=tmp_path)
    done = deploy(built.bundle, zero, allow_interface_change=True)
    assert done.golden["runtime"] == "tflite-runtime 2.14.0"
    assert done.golden["worst"] <= target.runtime.golden_tolerance == 4
    run = bench(zero, runs=20, warmup=2)
    assert (run.device["arch"], run.device["emulated"]) == ("armv7l", True)
    found = diagnose_device(DeviceEntry("zero", f"qemu:{NAME}"))
    assert [verdict.answer for verdict in found.verdicts] == ["push", "no"]


def test_our_own_runtime_gives_the_host_s_bytes(zero: Device, shared_models: Path, tmp_path: Path) -> None:
    try:
        linux_library("armv7l")
    except UsageError as error:
        pytest.skip(error.message)
    like = load_target(NAME)
    own = replace(like.runtime, name="edgeq-micro", version="1", kernels="edgeq-micro", golden_tolerance=0)
    target = replace(like, runtime=replace(own, modes=("static_wi8_ai8",)))
    (built,) = build(shared_models / "kws_mlperf_int8.tflite", [target], out=tmp_path)
    before = zero.client.sent_bytes
    done = deploy(built.bundle, zero, allow_interface_change=True)
    assert (done.golden["worst"], done.golden["runtime"]) == (0.0, "edgeq-micro 1")
    assert zero.client.sent_bytes - before < 400_000
    samples = np.load(shared_models / "kws01_mfcc_int8.npz")
    outputs = np.frombuffer(zero.invoke(samples["x"][:100].astype(np.int8).tobytes()), np.int8).reshape(100, -1)
    assert float((outputs.argmax(1) == samples["y"][:100]).mean()) > 0.8
