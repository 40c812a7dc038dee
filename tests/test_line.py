"""The straight line with a real model: ResNet-8 on CIFAR-10, to an emulated Raspberry Pi 4 and to this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.bench import bench
from edgeq.build import build
from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.infer import infer
from edgeq.interface import Array
from edgeq.model.tflite import read_model
from edgeq.render import render
from edgeq.report import report
from edgeq.target import load_target


@pytest.mark.emulated
@pytest.mark.slow
def test_resnet_on_cifar_10(shared_models: Path, tmp_path: Path, lent_home: Path) -> None:
    from edgeq import emulate

    if not any(recipe.ok for recipe in emulate.probe("rpi4")):
        pytest.skip("this machine allows no recipe for an emulated Pi")
    targets = [load_target("rpi4"), load_target("linux-x86_64")]
    samples = shared_models / "ic01_raw200.npz"
    built = build(
        shared_models / "ic_resnet8.h5",
        targets,
        data=shared_models / "cifar10_jpg_cal1000.npz",
        eval_data=samples,
        out=tmp_path,
    )
    assert read_model(built[0].bundle.path("model.tflite").read_bytes()).float_tensors() == ()
    images = np.load(samples)
    outputs, runs = [], []
    try:
        for address, item in zip(("qemu:rpi4", "local:"), built, strict=True):
            with open_device(address) as device:
                outputs.append(_deploy_and_run(device, item.bundle, images["x"]))
                run = bench(device, runs=30, warmup=3)
                run.write(tmp_path / f"{len(runs)}.json")
                runs.append(tmp_path / f"{len(runs)}.json")
                device.reset()
    finally:
        emulate.stop("rpi4")
    on_pi, here = outputs
    assert np.abs(on_pi.astype(int) - here).max() <= targets[0].runtime.golden_tolerance

    evaluation = built[0].bundle.manifest["evaluation"]
    assert evaluation["agreement"] >= 0.94
    accuracy = float((on_pi.argmax(1) == images["y"]).mean())
    assert accuracy == pytest.approx(evaluation["accuracy"], abs=0.011)
    told = render(report(runs), ".md")
    assert "emulated" in told
    assert "interval" in told


def _deploy_and_run(device: Device, bundle: Bundle, images: Array) -> Array:
    """Raw outputs, one row a sample."""
    done = deploy(bundle, device)
    assert done.golden["worst"] <= done.golden["tolerance"]
    (tensor,) = device.interface().inputs
    (raw,) = infer(device, [tensor.quantize(images)], raw=True)
    return raw.reshape(len(images), -1)
