"""The first operator on which a device and the host part: other weights there, a runtime that computes otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from badruntimes import bad_runtime
from bundles import make_bundle, tiny

from edgeq.correctness import serving
from edgeq.correctness.diverge import failing_vector, first_parting
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.explained import explained
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.model.tflite import read_model
from edgeq.protocol.status import Status

OTHERWISE = """
_Plain = Interpreter


class Interpreter(_Plain):
    def __init__(self, model_path=None, model_content=None, **options):
        data = open(model_path, "rb").read() if model_content is None else model_content
        if os.path.exists({switch!r}):
            data = data.replace({old!r}, {new!r})
        super().__init__(model_content=data, **options)
"""


def dense() -> tuple[int, bytes]:
    """The last operator with weights, and these."""
    model = unpack_tflite(tiny()[0])
    graph = model.subgraphs[0]
    index = max(place for place, operator in enumerate(graph.operators) if len(operator.inputs) == 3)
    return index, bytes(model.buffers[graph.tensors[graph.operators[index].inputs[1]].buffer].data)


def other_weights() -> bytes:
    model = unpack_tflite(tiny()[0])
    graph = model.subgraphs[0]
    buffer = model.buffers[graph.tensors[graph.operators[dense()[0]].inputs[1]].buffer]
    buffer.data = np.frombuffer(dense()[1][::-1], np.uint8)
    return pack_tflite(model)


def test_other_weights_are_found_at_their_operator(device: Device, tmp_path: Path) -> None:
    own = make_bundle(tmp_path / "own")
    deploy(own, device)
    release = serving(device)
    inputs = tiny()[2][0][0]
    assert failing_vector(device, release, own) is None
    assert first_parting(device, release, own, [inputs]) is None
    other = make_bundle(tmp_path / "other", model=other_weights())
    told: list[str] = []
    found = first_parting(device, release, other, [inputs], told.append)
    assert found is not None
    assert (found.index, found.operator, found.allowed) == (dense()[0], "FULLY_CONNECTED", 1)
    assert found.steps is not None and found.steps > 1 and 0 < found.differing <= found.elements
    assert found.looked == len(told) == dense()[0] + 1
    assert f"number {dense()[0]}, FULLY_CONNECTED" in found.sentence()
    assert found.first is not None and found.there is not None and found.here is not None
    assert 1 < abs(found.there - found.here) <= found.steps
    assert f"; the first is value {found.first}, {found.there:g} there and {found.here:g} here." in found.sentence()


def other_runtime(folder: Path, switch: Path) -> str:
    """A runtime that takes other weights from when there is a file `switch`."""
    weights, runtime = dense()[1], bad_runtime(folder, "pass")
    (module,) = folder.glob("*/interpreter.py")
    added = OTHERWISE.format(switch=str(switch), old=weights, new=weights[::-1])
    module.write_text(module.read_text(encoding="utf-8") + added, encoding="utf-8")
    return runtime


def test_a_runtime_that_computes_otherwise_is_explained(device: Device, tmp_path: Path) -> None:
    """It passes when it is deployed; from then on it takes other weights."""
    switch = tmp_path / "switch"
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device, runtime=other_runtime(tmp_path / "packages", switch))
    switch.touch()

    def fail(among: list[Path]) -> Any:
        with pytest.raises(DeviceError) as failed, explained(device, among=among):
            device.selftest()
        return failed.value

    error = fail([bundle.folder])
    assert error.status == Status.SELFTEST and "golden vector" in error.message
    assert f"number {dense()[0]}, FULLY_CONNECTED" in error.message
    assert error.facts["diverges"]["operator"] == "FULLY_CONNECTED"
    assert "cannot be told: The bundle of release" in fail([]).message


def test_a_deploy_that_fails_is_explained(device: Device, tmp_path: Path) -> None:
    bundle, switch = make_bundle(tmp_path / "bundle"), tmp_path / "switch"
    switch.touch()
    with pytest.raises(DeviceError) as failed:
        deploy(bundle, device, runtime=other_runtime(tmp_path / "packages", switch))
    assert failed.value.facts["diverges"]["operator"] == "FULLY_CONNECTED"
    assert failed.value.facts["step"] == "self-test"


def test_other_errors_stay_as_they_are(device: Device) -> None:
    with pytest.raises(DeviceError, match="no release is active") as failed, explained(device):
        device.selftest()
    assert failed.value.facts == {}


def test_a_device_that_shows_nothing_says_so(device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    device.describe().pop("looks")
    with pytest.raises(DeviceError, match="does not show") as refused:
        first_parting(device, serving(device), bundle, tiny()[2][0][:1])
    assert refused.value.status == Status.UNSUPPORTED


def test_a_tensor_is_shown_of_one_sample(device: Device, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    deploy(bundle, device)
    sample = b"".join(tiny()[2][0][0])
    places = [operator.outputs[0] for operator in read_model(tiny()[0]).subgraphs[0].operators]
    assert device.look(sample, places[-1]) == device.invoke(sample)
    for data, tensor in ((sample * 2, places[0]), (sample, 9999)):
        with pytest.raises(DeviceError) as refused:
            device.look(data, tensor)
        assert refused.value.status == Status.INVALID
