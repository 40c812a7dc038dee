"""Raw input on the firmware: `invoke` with `raw` feeds the front end, and golden vectors begin with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import tiny
from mcu import Process, write_mcu_bundle
from service import bundle_for

from edgeq.bundle import Bundle, canonical_json
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError
from edgeq.infer import infer
from edgeq.interface import Interface, Tensor
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.preprocess.audio import at_rate
from edgeq.protocol import contract
from edgeq.protocol.status import Status

sys.path.insert(0, str(Path(__file__).parents[1] / "micro" / "frontend"))

from fronts import RATE_HZ, audio, front, noise, tensor

from edgeq.micro.frontend.reference import quantized

SAMPLES = 4000
STEPS = (
    {"do": "pad", "samples": SAMPLES},
    {"do": "peak"},
    {"do": "frame", "length": 400, "step": 300},
    {"do": "window"},
    {"do": "spectrum", "fft": 512},
    {"do": "mel", "bins": 10, "low_hz": 20, "high_hz": 4000},
    {"do": "log"},
)
INPUT = tensor((1, 13, 10), scale=0.1)


def raw_bundle(device: Device, folder: Path, spoilt: bool = False, steps: Any = STEPS, name: str = "raw") -> Bundle:
    """A model that gives back its input, behind a front end, with a golden vector from raw input."""
    return bundle_of(device, folder / name, audio(*steps), noise(SAMPLES - 100, seed=9), spoilt)


def bundle_of(device: Device, path: Path, preprocess: Preprocess, raw: Raw, spoilt: bool = False) -> Bundle:
    """The same for any preprocessing."""
    facts = device.describe()
    data = tiny()[0]
    told = Tensor("x", INPUT.shape, "int8", INPUT.scales[0], INPUT.zero_points[0])
    text = canonical_json(Interface((told,), (told,), (), preprocess.to_json()).to_json())
    made = bytearray(quantized(front(preprocess, INPUT).program, raw))
    made[5] ^= spoilt
    image = front(preprocess, INPUT, [(raw, [bytes(made)])], text, facts["target"]).image
    members = {"model.tflite": data, "interface.json": text, "image.eqi": image}
    return write_mcu_bundle(path, members, name=path.name, target=facts["target"], arch=facts["arch"])


def expected(raw: Raw) -> bytes:
    return quantized(front(audio(*STEPS), INPUT).program, raw)


def test_raw_input_goes_through_the_front_end(device: Device, tmp_path: Path) -> None:
    assert device.describe()["frontend"] == 1
    golden = deploy(raw_bundle(device, tmp_path), device).golden
    assert (golden["vectors"], golden["worst"]) == (1, 0)
    for seed, samples in enumerate((SAMPLES, 1, SAMPLES + 77, 2000)):
        raw = noise(samples, seed)
        assert device.invoke_raw(raw) == expected(raw)
    plain = bytes(range(130))
    assert device._invoke(plain, None) == plain
    assert device.invoke_raw(noise(50)) == expected(noise(50))


def test_a_front_end_without_a_peak_computes_as_chunks_arrive(device: Device, tmp_path: Path) -> None:
    steps = tuple(step for step in STEPS if step["do"] != "peak")
    deploy(raw_bundle(device, tmp_path, steps=steps), device)
    raw = noise(SAMPLES, 3)
    assert device.invoke_raw(raw) == quantized(front(audio(*steps), INPUT).program, raw)


def numbers(kind: str) -> tuple[Raw, Preprocess]:
    """Features, and a chain that takes them."""
    scale = {"do": "scale", "multiply": [0.01 * (1 + column) for column in range(10)], "add": -1.5}
    preprocess = parse({"input": "features", "steps": [scale, {"do": "clip", "low": -8, "high": 8}]})
    return Raw((np.random.default_rng(2).random((13, 10)) * 255).astype(kind)), preprocess


@pytest.mark.parametrize("kind", ["float32", "int16", "uint8"])
def test_features_go_through_the_front_end(device: Device, tmp_path: Path, kind: str) -> None:
    values, preprocess = numbers(kind)
    assert deploy(bundle_of(device, tmp_path / "features", preprocess, values), device).golden["worst"] == 0
    assert device.invoke_raw(values) == quantized(front(preprocess, INPUT).program, values)
    with pytest.raises(DeviceError, match="last axis"):
        device.invoke_raw(Raw(values.array.T))


def test_a_raw_golden_vector_that_is_wrong_keeps_a_release_from_serving(device: Device, tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as no:
        deploy(raw_bundle(device, tmp_path, spoilt=True), device)
    assert no.value.status == Status.SELFTEST


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (Raw(noise(100).array, 8000), "rate"),
        (Raw(np.zeros((4, 5, 3), np.uint8)), "int16 samples"),
        (Raw(np.zeros((1, 2, 3, 4, 5), np.float32)), "int16 samples"),
    ],
)
def test_another_input_is_refused_with_the_reason(device: Device, tmp_path: Path, raw: Raw, why: str) -> None:
    deploy(raw_bundle(device, tmp_path), device)
    with pytest.raises(DeviceError, match=why) as no:
        device.invoke_raw(raw)
    assert no.value.status == Status.INVALID
    assert device.invoke_raw(noise(100)) == expected(noise(100))


def test_a_release_without_a_front_end_takes_no_raw_input(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    with pytest.raises(DeviceError, match="model's own input") as no:
        device.invoke_raw(noise(100))
    assert no.value.status == Status.UNSUPPORTED


@pytest.mark.parametrize(
    "raw",
    [
        "int16",
        {},
        {"type": "int16", "shape": [4]},
        {"type": "int16", "shape": 4, "rate": RATE_HZ},
        {"type": "int16", "shape": [-4], "rate": RATE_HZ},
        {"type": "int16", "shape": [5], "rate": RATE_HZ},
    ],
)
def test_a_malformed_raw_input_is_refused(device: Device, tmp_path: Path, raw: Any) -> None:
    deploy(raw_bundle(device, tmp_path), device)
    with pytest.raises(DeviceError) as no:
        device.client.request(contract.INVOKE, {"off": 0, "len": 8, "data": bytes(8), "run": 1, "raw": raw})
    assert no.value.status == Status.INVALID


def test_chunks_that_are_late_or_sent_again_do_no_harm(device: Device, tmp_path: Path) -> None:
    deploy(raw_bundle(device, tmp_path), device)
    raw = noise(100, 5)
    data = raw.array.tobytes()
    kind = {"type": "int16", "shape": [100], "rate": RATE_HZ}

    def send(off: int, size: int) -> dict[str, Any]:
        body = {"off": off, "len": len(data), "data": data[off : off + size], "run": 7, "raw": kind}
        return device.client.request(contract.INVOKE, body)

    assert send(0, 51)["off"] == 51
    assert send(120, 80)["off"] == 51
    assert send(0, 51)["off"] == 51
    assert send(51, 69)["off"] == 120
    assert send(120, 80) == {"off": 200, "out": 130}
    assert send(120, 80) == {"off": 200, "out": 130}
    assert device.client.request(contract.OUTPUT, {"off": 0})["data"] == expected(raw)


def test_a_bad_line_changes_nothing(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        deploy(raw_bundle(device, tmp_path), device)
    port = int(process.address.rpartition(":")[2])
    up, down = Noise(3, corrupt=0.0004, drop=0.0002), Noise(4, corrupt=0.0004)
    raw = noise(SAMPLES, 8)
    with (
        Proxy("127.0.0.1", port, up=Faults(noise=up), down=Faults(noise=down)) as proxy,
        Device(TcpLink(f"tcp://127.0.0.1:{proxy.port}"), "noisy") as device,
    ):
        assert device.invoke_raw(raw) == expected(raw)
    assert up.hits + down.hits > 0


@pytest.mark.emulated
@pytest.mark.slow
def test_an_emulated_cortex_m4_computes_the_same(board: Device, tmp_path: Path) -> None:
    # A board whose flash survived from an earlier run serves it already.
    assert deploy(raw_bundle(board, tmp_path), board, allow_interface_change=True).golden.get("worst", 0) == 0
    for seed, samples in enumerate((SAMPLES, 1, 2000)):
        raw = noise(samples, seed)
        assert board.invoke_raw(raw) == expected(raw)
    values, preprocess = numbers("float32")
    deploy(bundle_of(board, tmp_path / "features", preprocess, values), board, allow_interface_change=True)
    assert board.invoke_raw(values) == quantized(front(preprocess, INPUT).program, values)


def test_a_clip_of_another_rate_is_brought_to_the_microphone_s(device: Device, tmp_path: Path) -> None:
    deploy(raw_bundle(device, tmp_path), device)
    clip = Raw(noise(3 * SAMPLES, 5).array, 3 * RATE_HZ)
    heard = at_rate(clip, RATE_HZ)
    assert (len(heard.array), heard.rate_hz) == (SAMPLES, RATE_HZ)
    (found,) = infer(device, [clip])
    assert np.array_equal(found, infer(device, [heard])[0])
