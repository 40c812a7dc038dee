"""Raw inputs on the Linux agent: the release's own preprocessing makes the model's input of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import MODEL, make_bundle, tiny

from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError, UsageError
from edgeq.infer import infer
from edgeq.interface import Array
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol.status import Status
from edgeq.runtime import Model

SHAPE = tiny()[1].inputs[0].shape
STEPS = [{"do": "scale", "multiply": 0.02, "add": -2.5}]
IMAGE = parse({"input": "image", "steps": [{"do": "crop", "height": SHAPE[1], "width": SHAPE[2]}, *STEPS]})


def picture(seed: int = 0) -> Array:
    """Two pixels larger than the model's input, so that the crop has something to do."""
    return np.random.default_rng(seed).integers(0, 256, (SHAPE[1] + 2, SHAPE[2] + 2, SHAPE[3]), np.uint8)


def expected(raw: Raw, preprocess: Preprocess = IMAGE) -> bytes:
    model = Model(MODEL.read_bytes())
    return b"".join(model.invoke([model.inputs[0].encode(preprocess.apply(raw).reshape(SHAPE))]))


def bundle(folder: Path, preprocess: Preprocess | None = IMAGE, raw: list[dict[str, Any]] | None = None) -> Bundle:
    document = preprocess.to_json() if preprocess else None
    return make_bundle(folder, interface=replace(tiny()[1], preprocess=document), raw=raw)


def test_a_raw_input_gives_what_the_steps_and_the_model_give(device: Device, tmp_path: Path) -> None:
    deploy(bundle(tmp_path / "b"), device)
    for seed in range(3):
        raw = Raw(picture(seed))
        assert device.invoke_raw(raw) == expected(raw)
    values = infer(device, [picture()])[-1]
    tensor = tiny()[1].outputs[-1]
    last = np.frombuffer(expected(Raw(picture()))[-tensor.size_bytes :], tensor.dtype)
    np.testing.assert_allclose(values.ravel(), tensor.dequantize(last))
    batch = infer(device, [np.stack([picture(0), picture(1)])])[-1]
    np.testing.assert_array_equal(batch[:1], values)


def test_the_model_s_own_input_is_still_taken(device: Device, tmp_path: Path) -> None:
    deploy(bundle(tmp_path / "b"), device)
    real = IMAGE.apply(Raw(picture())).reshape(SHAPE)
    np.testing.assert_array_equal(infer(device, [real])[-1], infer(device, [picture()])[-1])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (Raw(np.zeros((1, 1, 1), np.uint8)), "crop"),
        (Raw(np.zeros(100, np.int16), 16000), "image"),
        (Raw(np.zeros((SHAPE[1], SHAPE[2], 4), np.uint8)), "image"),
    ],
    ids=["too small", "audio", "four channels"],
)
def test_what_the_steps_cannot_take_is_refused_and_the_model_stays(
    device: Device, tmp_path: Path, raw: Raw, reason: str
) -> None:
    deploy(bundle(tmp_path / "b"), device)
    device.invoke_raw(Raw(picture()))
    with pytest.raises(DeviceError, match=reason) as no:
        device.invoke_raw(raw)
    assert no.value.status == Status.INVALID
    assert device.invoke_raw(Raw(picture())) == expected(Raw(picture()))


@pytest.mark.parametrize(
    "steps", [None, parse({"external": {"owner": "app", "sha256": "0" * 64}})], ids=["none", "own"]
)
def test_without_steps_there_is_nothing_to_take_raw_input(
    device: Device, tmp_path: Path, steps: Preprocess | None
) -> None:
    deploy(bundle(tmp_path / "b", steps), device)
    with pytest.raises(DeviceError) as no:
        device.invoke_raw(Raw(picture()))
    assert no.value.status == Status.UNSUPPORTED


def test_golden_vectors_begin_with_raw_input_too(device: Device, tmp_path: Path) -> None:
    item = {**encode_raw(Raw(picture())), "outputs": [expected(Raw(picture()))]}
    done = deploy(bundle(tmp_path / "good", raw=[item]), device)
    assert done.golden["vectors"] == 5
    wrong = {**item, "outputs": [bytes(byte ^ 0x7F for byte in item["outputs"][0])]}
    with pytest.raises(DeviceError, match="golden vector 4 of 5") as no:
        deploy(bundle(tmp_path / "bad", raw=[wrong]), device, allow_interface_change=True)
    assert no.value.status == Status.SELFTEST
    assert [release.n for release in device.releases() if release.serving] == [done.n]


def test_another_preprocessing_is_another_interface(device: Device, tmp_path: Path) -> None:
    deploy(bundle(tmp_path / "one"), device)
    other = parse({"input": "image", "steps": [IMAGE.steps[0].to_json(), {**STEPS[0], "multiply": 0.03}]})
    with pytest.raises(DeviceError, match=r"preprocessing, step 2 \(scale\): multiply 0.02, now 0.03") as no:
        deploy(bundle(tmp_path / "two", other), device)
    assert no.value.status == Status.INTERFACE
    assert len(device.releases()) == 1
    assert deploy(bundle(tmp_path / "two", other), device, allow_interface_change=True).n == 2


def test_features_are_taken_one_by_one_or_many_at_once_and_must_be_finite(device: Device, tmp_path: Path) -> None:
    scaled = parse({"input": "features", "steps": STEPS})
    deploy(bundle(tmp_path / "b", scaled), device)
    row = np.linspace(0, 200, int(np.prod(SHAPE)), dtype=np.float32)
    (one,), (two,) = infer(device, [row])[-1:], infer(device, [np.stack([row, row])])[-1:]
    np.testing.assert_array_equal(two, np.concatenate([one, one]))
    row[3] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        infer(device, [row])
