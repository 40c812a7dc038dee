"""The first operator on which a microcontroller and the host part: firmware of which a kernel is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import tiny
from commandline import edgeq
from mcu import BOARD, SANITIZE, Process, build_with_kernels, make_mcu_bundle, write_mcu_bundle
from once import once

from edgeq import emulate
from edgeq.bundle import Bundle, canonical_json
from edgeq.correctness.diverge import failing_vector, first_parting
from edgeq.correctness.records import first_differing
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError
from edgeq.explained import explained
from edgeq.firmware import ELF
from edgeq.interface import Interface
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.quantize.golden import Golden, from_seed, make_golden
from edgeq.served import serving

CASES = Path(__file__).parents[1] / "cases"
MICRO = "edgeq-micro"
PICTURE = Raw(np.arange(11 * 9 * 3, dtype=np.uint8).reshape(11, 9, 3))
DEPTHWISE, SPOILT, WRONG_BY = 1, 17, 32


def firmware(name: str, port: str, compiler: str, flags: str = "") -> Path:
    for tool in ("make", compiler):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")

    return once(name, lambda folder: build_with_kernels(folder, "wrong_kernels", port, flags)) / ELF


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """A process under sanitizers."""
    running = Process(firmware("wrong-process", "host", "gcc", SANITIZE), tmp_path / "flash.bin")
    with open_device(running.address) as opened:
        yield opened
    running.kill()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The emulated board."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    monkeypatch.setenv(VARIABLE, str(firmware("wrong-board", "qemu_mps2_an386", "arm-none-eabi-gcc")))
    with open_device(emulate.start(BOARD).address) as opened:
        yield opened
    emulate.stop(BOARD)


def bundle_for(device: Device, folder: Path, name: str) -> Bundle:
    facts = device.describe()
    return make_mcu_bundle(folder / name, name=name, target=facts["target"], arch=facts["arch"])


def lstm_for(device: Device, folder: Path, name: str) -> Bundle:
    """A model that remembers."""
    model = (CASES / "models" / "lstm_int8.tflite").read_bytes()
    interface = describe(read_model(model), ())
    golden = make_golden(model, from_seed(interface, 4), MICRO)
    return write(device, folder / name, model, interface, golden)


def seeing(device: Device, folder: Path, name: str, add: float) -> Bundle:
    """A model behind a front end, with a golden vector from an image."""
    model, interface, _ = tiny()
    steps = [{"do": "resize", "height": 8, "width": 8}, {"do": "colour", "order": "gray"}]
    preprocess = parse({"input": "image", "steps": [*steps, {"do": "scale", "multiply": 0.01, "add": add}]})
    with NativeModel(compile_model(model).image(preprocess=preprocess)) as native:
        golden = Golden((), (), (PICTURE,), (tuple(native.invoke_raw(PICTURE)),))
    interface = replace(interface, preprocess=preprocess.to_json())
    return write(device, folder / name, model, interface, golden, preprocess)


def write(
    device: Device, folder: Path, model: bytes, interface: Interface, golden: Golden, front: Preprocess | None = None
) -> Bundle:
    facts, text = device.describe(), canonical_json(interface.to_json())
    vectors, raws = (
        list(zip(*pair, strict=True)) for pair in ((golden.inputs, golden.outputs), (golden.raws, golden.raw_outputs))
    )
    made = compile_model(model)
    members = {
        "model.tflite": model,
        "interface.json": text,
        "golden.cbor": golden.encode(),
        "image.eqi": made.image(text, vectors, raws, preprocess=front, target=facts["target"], name=folder.name),
    }
    return write_mcu_bundle(folder, members, name=folder.name, target=facts["target"], arch=facts["arch"])


def fails(device: Device, bundle: Bundle) -> Any:
    with pytest.raises(DeviceError) as failed:
        deploy(bundle, device)
    assert failed.value.status == Status.SELFTEST
    return failed.value


def finds_a_wrong_kernel(device: Device, folder: Path) -> None:
    good = deploy(bundle_for(device, folder, "good"), device)
    error = fails(device, bundle_for(device, folder, "wrong"))
    assert "golden vector" in error.message and "The first operator that computes something else" in error.message
    assert f"number {DEPTHWISE}, DEPTHWISE_CONV_2D ('sequential_1/depthwise_conv2d_1/Relu')" in error.message
    assert f"1 of its 64 values differ, up to {WRONG_BY} steps; the first is value {SPOILT}, " in error.message
    found = error.facts["diverges"]
    json.dumps(found, allow_nan=False)
    expected = {"index": DEPTHWISE, "operator": "DEPTHWISE_CONV_2D", "steps": WRONG_BY, "differing": 1, "elements": 64}
    expected |= {"allowed": 0, "looked": 2, "first": SPOILT, "record": 1, "kernel": "depthwise_i8"}
    assert {key: found[key] for key in expected} == expected
    assert abs(found["there"] - found["here"]) == WRONG_BY
    assert error.facts["step"] == "self-test"
    assert error.message.endswith(
        "The deploy ended at its self-test step; release 1 (good, " + good.digest[:12] + ") still serves."
    )
    assert serving(device).name == "good"


def has_none_that_is_wrong(device: Device, folder: Path) -> None:
    bundle = bundle_for(device, folder, "good")
    deploy(bundle, device)
    told: list[str] = []
    assert failing_vector(device, serving(device), bundle) is None
    assert first_parting(device, serving(device), bundle, tiny()[2][0], told.append) is None
    kernels = ("conv_i8", "depthwise_i8", "mean_i8", "fc_i8", "softmax_i8")
    assert told == [f"record {number} of 5: {kernel}" for number, kernel in enumerate(kernels, 1)]


def test_a_wrong_kernel_is_found_at_a_deploy(device: Device, tmp_path: Path) -> None:
    finds_a_wrong_kernel(device, tmp_path)


def test_healthy_firmware_has_none(device: Device, tmp_path: Path) -> None:
    has_none_that_is_wrong(device, tmp_path)


@pytest.mark.slow
def test_a_wrong_kernel_of_the_emulated_board_is_found(board: Device, tmp_path: Path) -> None:
    has_none_that_is_wrong(board, tmp_path)
    finds_a_wrong_kernel(board, tmp_path)


def test_what_serves_and_goes_wrong_later_is_explained(device: Device, tmp_path: Path) -> None:
    bundle = bundle_for(device, tmp_path, "tired")
    deploy(bundle, device)
    with pytest.raises(DeviceError) as failed, explained(device, among=[bundle.folder]):
        for _ in range(10):
            device.selftest()
    assert failed.value.facts["diverges"]["operator"] == "DEPTHWISE_CONV_2D"


def test_what_a_model_remembers_is_followed_from_its_first_state_on(device: Device, tmp_path: Path) -> None:
    good = lstm_for(device, tmp_path, "good")
    deploy(good, device)
    samples = from_seed(good.interface(), 4)
    device.invoke(samples[0][0])  # of which nothing may be left
    assert first_differing(device, serving(device), good, samples) is None
    error = fails(device, lstm_for(device, tmp_path, "wrong"))
    found = error.facts["diverges"]
    assert found["operator"] == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert (found["index"], found["record"], found["kernel"]) == (0, 0, "lstm_i8")


def test_a_front_end_is_followed_too(device: Device, tmp_path: Path) -> None:
    good, other = (seeing(device, tmp_path, name, add) for name, add in (("good", 0.0), ("other", 0.5)))
    deploy(good, device)
    told: list[str] = []
    assert failing_vector(device, serving(device), good) is None
    assert first_parting(device, serving(device), good, [PICTURE], told.append) is None
    assert told[0] == "record 0 of 5: the front end" and len(told) == 6
    failing = failing_vector(device, serving(device), other)
    assert failing is not None and failing.index == 0
    found = first_parting(device, serving(device), other, failing.samples)
    assert found is not None
    assert (found.index, found.operator, found.record, found.looked) == (None, "front end", None, 0)
    assert found.differing == found.elements == 64
    assert found.sentence().startswith("The front end computes something else than on this machine (")


def of_model(device: Device, folder: Path, path: Path) -> Bundle:
    model = path.read_bytes()
    interface = describe(read_model(model), ())
    return write(device, folder, model, interface, make_golden(model, from_seed(interface, 3), MICRO))


def test_results_longer_than_a_message_are_compared(device: Device, tmp_path: Path, shared_models: Path) -> None:
    path = shared_models / "kws_mlperf_int8.tflite"
    good = of_model(device, tmp_path / "kws", path)
    deploy(good, device)
    assert first_parting(device, serving(device), good, from_seed(good.interface(), 1)) is None
    found = fails(device, of_model(device, tmp_path / "wrong", path)).facts["diverges"]
    assert (found["operator"], found["differing"], found["elements"]) == ("DEPTHWISE_CONV_2D", 1, 8000)


def test_a_bad_line_changes_nothing(device: Device, tmp_path: Path) -> None:
    good = bundle_for(device, tmp_path, "good")
    deploy(good, device)
    port = int(device.address.rpartition(":")[2])
    device.client.link.close()
    up, down = Noise(3, corrupt=0.002), Noise(4, corrupt=0.002)
    with (
        Proxy("127.0.0.1", port, up=Faults(noise=up), down=Faults(noise=down)) as proxy,
        Device(TcpLink(f"tcp://127.0.0.1:{proxy.port}"), "noisy") as noisy,
    ):
        for sample in tiny()[2][0]:
            assert first_parting(noisy, serving(noisy), good, [sample]) is None
    assert up.hits + down.hits > 0


def test_what_later_operators_hide_is_found(device: Device, tmp_path: Path) -> None:
    bundle = seeing(device, tmp_path, "wrong", 0.0)
    deploy(bundle, device)
    assert failing_vector(device, serving(device), bundle) is None
    found = first_parting(device, serving(device), bundle, [PICTURE])
    assert found is not None
    assert (found.operator, found.differing, found.looked) == ("DEPTHWISE_CONV_2D", 1, 2)


def test_steps_go_on_and_never_back(device: Device, tmp_path: Path) -> None:
    bundle = bundle_for(device, tmp_path, "good")
    deploy(bundle, device)
    sample = b"".join(tiny()[2][0][0])
    device.begin_steps(sample)
    assert device.memory_after(0, 0, len(sample)) == sample
    assert device.memory_after(2, 304, 64) == device.memory_after(2, 304, 64)
    output = device.memory_after(5, 4, 3)
    asked = device.client.request(contract.OUTPUT, {"off": 0})
    assert (asked["len"], asked["data"]) == (3, output)
    assert output == device.invoke(sample)
    arena = compile_model(tiny()[0]).arena.bytes
    device.begin_steps(sample)
    assert device.memory_after(3, arena - 8, 8)
    for body in ({"ops": 2}, {"ops": 6}, {"ops": 0xFFFFFFFF}, {"ops": "3"}, {"ops": -1}):
        with pytest.raises(DeviceError) as refused:
            device.client.request(contract.OUTPUT, {"off": 0, **body})
        assert refused.value.status == Status.INVALID
    told = device.client.request(contract.OUTPUT, {"off": arena + 9, "ops": 5, "most": 4})
    assert (told["len"], told["data"]) == (arena, b"")


def test_nothing_is_shown_that_was_not_begun(device: Device, tmp_path: Path) -> None:
    def refuses() -> None:
        for ops in (0, 0xFFFF, 0xFFFFFFFF):
            with pytest.raises(DeviceError) as refused:
                device.memory_after(ops, 0, 4)
            assert refused.value.status == Status.INVALID

    refuses()
    deploy(bundle_for(device, tmp_path, "good"), device)
    refuses()
    device.invoke(b"".join(tiny()[2][0][0]))
    refuses()
    device.begin_steps(b"".join(tiny()[2][0][0]))
    device.profile()
    refuses()


def test_older_firmware_says_so(device: Device, tmp_path: Path) -> None:
    bundle = bundle_for(device, tmp_path, "wrong")
    device.describe().pop("ops")
    error = fails(device, bundle)
    assert "cannot be told: tcp:" in error.message and "does not show what lies between" in error.message
    with pytest.raises(DeviceError) as refused:
        first_parting(device, device.releases()[0], bundle, tiny()[2][0])
    assert refused.value.status == Status.UNSUPPORTED


def test_a_bundle_that_is_damaged_here_hides_nothing(device: Device, tmp_path: Path) -> None:
    bundle = bundle_for(device, tmp_path, "tired")
    deploy(bundle, device)
    for name in ("golden.cbor", "model.tflite"):
        bundle.path(name).rename(tmp_path / name)
    with pytest.raises(DeviceError, match="golden vector") as failed, explained(device, deployed=bundle):
        for _ in range(10):
            device.selftest()
    assert "cannot be told, as the bundle here is damaged: " in failed.value.message


def test_the_command_line_tells_it(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle, address = bundle_for(device, tmp_path, "wrong"), device.address
    device.client.link.close()
    code, out, _ = edgeq("deploy", bundle.folder, "--to", address, "--json", capture=capsys, monkeypatch=monkeypatch)
    told = json.loads(out)["error"]
    assert (code, told["diverges"]["operator"]) == (DeviceError.exit_code, "DEPTHWISE_CONV_2D")
    assert "The first operator that computes something else" in told["message"]
