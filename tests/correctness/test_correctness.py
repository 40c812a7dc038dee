"""A labelled set through a device: figures beside the host's, what differs by name, a link that breaks meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle, tiny
from mcu import FAMILY, Process, write_mcu_bundle

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.correctness import correctness, stratified
from edgeq.correctness.through import remembers
from edgeq.correctness.unfinished import Partials
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError, LinkError, UsageError
from edgeq.evaluate.predict import Variant, predict
from edgeq.link.memory import MemoryLink
from edgeq.micro.compile import compile_model
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.quantize.golden import make_golden

COUNT = 60
STEPS = parse({"input": "image", "steps": [{"do": "scale", "multiply": 0.02, "add": -2.5}]})


@pytest.fixture
def process(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


def write_data(path: Path, wrong: int = 0, kernels: str = "xnnpack") -> Path:
    """Samples that are labelled as the model decides, but for the first `wrong`, which are not."""
    model, interface, _ = tiny()
    rng, tensor = np.random.default_rng(3), interface.inputs[0]
    real = tensor.dequantize(rng.integers(-128, 128, (COUNT, *tensor.shape[1:])).astype(np.int8))
    decided = predict(Variant(model, interface), real, kernels).argmax(axis=1)
    decided[:wrong] = (decided[:wrong] + 1) % 3
    np.savez(path, x=real, y=decided)
    return path


def test_the_figures_of_device_and_host_stand_beside_each_other(device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    found = correctness(device, write_data(tmp_path / "eval.npz", wrong=6), bundle=bundle.folder)
    assert (found["samples"], found["of"], found["metric"]) == (COUNT, COUNT, "accuracy")
    assert found["value"] == found["reference"] == pytest.approx(0.9)
    assert found["low"] < 0.9 < found["high"]
    assert (found["loss"], found["agreement"], found["identical"], found["beyond"]) == (0, 1, 1, 0)
    assert found["differing"] == [] and found["parted"] == 0 and found["reopened"] == 0
    (output,) = found["outputs"]
    assert output["histogram"]["0"] == output["elements"] == 3 * COUNT
    assert {row["slice"] for row in found["slices"]} <= {"left", "right", "none"}
    assert "reference" in found["slices"][0] and "float_value" not in found["slices"][0]


def write_raw(path: Path) -> Path:
    """Raw images of which half are labelled as the model decides behind the steps, and half are not."""
    model, interface, _ = tiny()
    shape = interface.inputs[0].shape
    pixels = np.random.default_rng(5).integers(0, 256, (COUNT, *shape[1:]), np.uint8)
    made = np.stack([STEPS.apply(Raw(each)).reshape(shape[1:]) for each in pixels])
    decided = predict(Variant(model, interface), made).argmax(axis=1)
    decided[::2] = (decided[::2] + 1) % 3
    np.savez(path, x=pixels, y=decided)
    return path


def test_raw_inputs_go_through_the_device_s_own_preprocessing(device: Device, tmp_path: Path) -> None:
    interface = replace(tiny()[1], preprocess=STEPS.to_json())
    bundle = make_bundle(tmp_path / "bundle", interface=interface)
    deploy(bundle, device)
    raw = correctness(device, write_raw(tmp_path / "raw.npz"), bundle=bundle.folder)
    assert (raw["preprocessed"], raw["value"], raw["reference"], raw["identical"]) == ("device", 0.5, 0.5, 1)
    own = correctness(device, write_data(tmp_path / "eval.npz"), bundle=bundle.folder)
    assert (own["preprocessed"], own["value"]) == (None, 1)


def test_a_front_end_in_integers_is_the_same_here(process: Process, tmp_path: Path) -> None:
    """And where the image has none, this machine does the steps: to the device goes the model's own input."""
    data = write_raw(tmp_path / "raw.npz")
    with open_device(process.address) as device:
        arch = device.describe()["arch"]
        bundle = mcu_bundle(tmp_path / "bundle", arch, steps=STEPS)
        deploy(bundle, device)
        own = correctness(device, data, bundle=bundle.folder, limit=20)
        without = mcu_bundle(tmp_path / "without", arch, steps=STEPS, front=False)
        deploy(without, device)
        host = correctness(device, data, bundle=without.folder, limit=20)
    assert (own["preprocessed"], own["identical"], own["beyond"], own["allowed_steps"]) == ("device", 1, 0, 0)
    assert (host["preprocessed"], host["identical"], host["steps_here"]) == ("host", 1, None)
    assert (
        own["steps_here"]["value"] == pytest.approx(0.5, abs=0.2)
        and own["steps_here"]["loss_low"] <= own["steps_here"]["loss"]
    )
    assert own["value"] == own["reference"] == pytest.approx(0.5, abs=0.2)


def test_a_command_that_ended_early_goes_on_where_it_was(service: Service, device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    data, beside = write_data(tmp_path / "eval.npz", wrong=6), Partials(tmp_path / "runs")
    with (
        Device(Breaking(service, [1500])(), "memory:") as breaking,
        pytest.raises(LinkError, match=r"after \d+ of 60") as gone,
    ):
        correctness(breaking, data, bundle=bundle.folder, beside=beside)
    assert "goes on from there" in gone.value.hint
    told = list[str]()
    found = correctness(device, data, bundle=bundle.folder, beside=beside, progress=told.append)
    assert 0 < found["resumed"] < COUNT and f"accuracy: {found['resumed']} of 60 samples are there already" in told
    assert (found["value"], found["identical"]) == (pytest.approx(0.9), 1)
    again = correctness(device, data, bundle=bundle.folder, beside=beside)
    assert again["resumed"] == COUNT and {**again, "resumed": 0} == {**found, "resumed": 0}
    assert correctness(device, data, bundle=bundle.folder, limit=30, beside=beside)["resumed"] == 0
    other = make_bundle(tmp_path / "other", name="other")
    deploy(other, device)
    assert correctness(device, data, bundle=other.folder, beside=beside)["resumed"] == 0
    beside.remove()
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_model_that_remembers_begins_anew(tmp_path: Path) -> None:
    plain = make_bundle(tmp_path / "plain")
    members = {name: plain.path(name).read_bytes() for name in plain.files}
    model = {**plain.manifest["model"], "ops": {"VAR_HANDLE": 1, "CONV_2D": 2}}
    assert remembers(write_bundle(tmp_path / "state", members, {**plain.manifest, "model": model}))
    assert not remembers(plain)


def test_a_part_has_of_every_class_its_share() -> None:
    labels = np.array([0] * 80 + [1] * 18 + [2] * 2)
    places = stratified(100, labels, 10)
    assert np.bincount(labels[places]).tolist() == [7, 2, 1] and places == sorted(places)
    assert places == stratified(100, labels, 10)
    assert stratified(5, None, 0) == stratified(5, None, 9) == [0, 1, 2, 3, 4]
    assert len(stratified(50, None, 7)) == 7


def test_a_limit_goes_through_the_device_alone(device: Device, service: Service, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    found = correctness(device, write_data(tmp_path / "eval.npz"), among=[tmp_path, bundle.folder], limit=12)
    assert (found["samples"], found["of"]) == (12, COUNT)


class Breaking:
    """Opens links to a service: each of the first ends after so many bytes."""

    def __init__(self, service: Service, after: list[int], change: Callable[[], object] = lambda: None) -> None:
        self._service, self._after, self._change, self.opened = service, after, change, 0

    def __call__(self) -> MemoryLink:
        self.opened += 1
        if self.opened == 2:
            self._change()
        last = self._after.pop(0) if self._after else None
        return MemoryLink(Connection(self._service).feed, close_after=last)


def test_it_goes_on_where_the_link_broke(service: Service, device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    links, told = Breaking(service, [1500, 1500]), list[str]()
    data = write_data(tmp_path / "eval.npz", wrong=3)
    with Device(links(), "memory:", links) as breaking:
        found = correctness(breaking, data, bundle=bundle.folder, progress=told.append)
    assert (found["reopened"], links.opened) == (2, 3)
    assert (found["value"], found["identical"]) == (0.95, 1)
    assert any("the link broke" in line for line in told)


def test_a_link_that_is_gone_says_how_far_it_came(service: Service, device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    with Device(Breaking(service, [1500])(), "memory:") as breaking, pytest.raises(LinkError, match=r"after \d+ of 60"):
        correctness(breaking, write_data(tmp_path / "eval.npz"), bundle=bundle.folder)


def test_releases_are_not_mixed(service: Service, device: Device, tmp_path: Path, monkeypatch: Any) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    links = Breaking(service, [1500])
    breaking = Device(links(), "memory:", links)
    own = breaking.releases

    def changed() -> Any:
        return [] if links.opened > 1 else own()

    monkeypatch.setattr(breaking, "releases", changed)
    with breaking, pytest.raises(DeviceError, match="changed while the link was broken"):
        correctness(breaking, write_data(tmp_path / "eval.npz"), bundle=bundle.folder)


def test_without_the_bundle_there_is_nothing_to_compare_with(device: Device, tmp_path: Path) -> None:
    deploy(make_bundle(tmp_path / "bundle"), device)
    other = make_bundle(tmp_path / "other", name="other")
    data = write_data(tmp_path / "eval.npz")
    with pytest.raises(UsageError, match="is not on this machine"):
        correctness(device, data, among=[other.folder, tmp_path])
    with pytest.raises(UsageError, match="is not the bundle"):
        correctness(device, data, bundle=other.folder)


def other_weights(model: bytes) -> bytes:
    """The same model with the weights of its last layer turned around."""
    changed = unpack_tflite(model)
    graph = changed.subgraphs[0]
    dense = next(operator for operator in reversed(graph.operators) if len(operator.inputs) == 3)
    buffer = changed.buffers[graph.tensors[dense.inputs[1]].buffer]
    buffer.data = np.frombuffer(bytes(buffer.data), np.int8)[::-1].copy().view(np.uint8)
    return pack_tflite(changed)


def mcu_bundle(
    folder: Path,
    arch: str,
    in_image: Callable[[bytes], bytes] = lambda model: model,
    steps: Preprocess | None = None,
    front: bool = True,
) -> Bundle:
    """What the image holds may be another model than `model.tflite`; it passes its own self-test. Without `front` it
    has no front end for the steps."""
    model, interface, (inputs, _) = tiny()
    interface = replace(interface, preprocess=steps.to_json() if steps else None)
    ships = in_image(model)
    compiled = compile_model(ships)
    if steps and front:
        compiled = compiled.preprocessed(steps)
    golden = make_golden(ships, inputs, FAMILY)
    vectors = list(zip(golden.inputs, golden.outputs, strict=True))
    text = canonical_json(interface.to_json())
    members = {
        "model.tflite": model,
        "interface.json": text,
        "golden.cbor": golden.encode(),
        "image.eqi": compiled.image(text, vectors, target="host", name="tiny"),
    }
    told = {"vectors": len(inputs), "kernels": FAMILY, "tolerance": 0, "runtime": "edgeq-micro 1"}
    return write_mcu_bundle(folder, members, name="tiny", target="host", arch=arch, golden=told)


def test_a_microcontroller_is_equal_bit_by_bit_unless_it_has_other_weights(process: Process, tmp_path: Path) -> None:
    data = write_data(tmp_path / "eval.npz", kernels=FAMILY)
    with open_device(process.address) as device:
        arch = device.describe()["arch"]
        bundle = mcu_bundle(tmp_path / "bundle", arch)
        deploy(bundle, device)
        same = correctness(device, data, bundle=bundle.folder)
        spoilt = mcu_bundle(tmp_path / "spoilt", arch, other_weights)
        deploy(spoilt, device)
        found = correctness(device, data, bundle=spoilt.folder)
    assert (same["value"], same["identical"], same["allowed_steps"], same["host"]["kernels"]) == (1, 1, 0, FAMILY)
    assert found["reference"] == 1 and found["value"] < 0.9 and found["loss"] > 0.1 and found["identical"] < 0.1
    assert found["beyond"] == round((1 - found["identical"]) * COUNT) > 0
    first = found["differing"][0]
    assert first["device"] != first["host"] == first["label"] and first["steps"] > 0
    assert first["sample"] == f"sample {first['index']}" or str(first["index"]) in first["sample"]
    assert len(found["differing"]) <= 20 and found["parted"] > 0
    assert sum(found["outputs"][0]["histogram"].values()) == found["outputs"][0]["elements"]
