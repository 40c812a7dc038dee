"""Where a device and this machine part: the first operator whose result differs, on an input that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgeq.agent.looking import patched
from edgeq.bundle import MODEL, Bundle
from edgeq.correctness import allowed_steps, bundle_of, kernels_of
from edgeq.correctness.agree import compare
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import DeviceError, EdgeqError, LinkError
from edgeq.interface import DTYPES, Interface, Tensor
from edgeq.model.info import ModelInfo, TensorInfo
from edgeq.model.tflite import read_model
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.quantize.host import invoke_all
from edgeq.quantize.sensitivity import short
from edgeq.served import serving

Inputs = list[bytes]


@dataclass(frozen=True)
class Parting:
    """The first operator, by its place in the file, whose result differs by more than `allowed` steps: by `steps` at
    most (None where one side has no number), in `differing` of its `elements`. `looked` operators were compared."""

    index: int
    operator: str
    tensor: str
    steps: float | None
    differing: int
    elements: int
    allowed: int
    looked: int

    def sentence(self) -> str:
        """For people."""
        worst = "no number on one side" if self.steps is None else f"up to {self.steps:g} steps"
        return (
            f"The first operator that computes something else than on this machine is number {self.index}, "
            f"{self.operator} ('{self.tensor}'): {self.differing} of its {self.elements} values differ, {worst}."
        )


def first_parting(
    device: Device, release: Release, bundle: Bundle, inputs: Inputs, progress: Progress = silent
) -> Parting | None:
    """Follow one sample (raw inputs, interface order) through the release and through the bundle's model here, operator
    by operator; None where all are as equal as is promised.

    Both sides compute every tensor with their own kernels for it. `DeviceError` with status UNSUPPORTED where the
    device does not show what lies between operators, as microcontrollers do not.
    """
    model, kernels = bundle.path(MODEL).read_bytes(), kernels_of(bundle)
    allowed = allowed_steps(bundle, kernels)
    sample = b"".join(inputs)
    looked = 0
    places = list(_places(read_model(model)))
    for index, name, place, facts in places:
        progress(f"operator {index + 1}: {name}")
        there = device.look(sample, place, release.n)
        ((here, *_),) = invoke_all(patched(model, place), kernels, [inputs])
        looked += 1
        if there == here:
            continue
        tensor = Tensor("", (1, max(1, len(here) // np.dtype(facts.dtype).itemsize)), facts.dtype, 0.0, 0)
        if len(there) != len(here):
            return Parting(index, name, short(facts.name), None, tensor.shape[1], tensor.shape[1], allowed, looked)
        found = compare(Interface((), (tensor,)), *(np.frombuffer(each, np.uint8)[None] for each in (there, here)))
        (table,) = found.outputs
        if found.steps[0] > allowed:
            differing = table["elements"] - table["histogram"]["0"]
            return Parting(
                index, name, short(facts.name), table["largest"], differing, table["elements"], allowed, looked
            )
    return None


def _places(info: ModelInfo) -> Iterator[tuple[int, str, int, TensorInfo]]:
    """Number and name of each operator of the main graph, and each tensor that it gives, with its facts."""
    graph = info.subgraphs[0]
    for index, operator in enumerate(graph.operators):
        for place in operator.outputs:
            if place >= 0 and graph.tensors[place].dtype in DTYPES and not graph.tensors[place].data_bytes:
                yield index, operator.custom or operator.name, place, graph.tensors[place]


def failing_vector(device: Device, release: Release, bundle: Bundle) -> tuple[int, Inputs] | None:
    """The first golden vector, of those from the model's own input, that the release does not match."""
    golden = cbor.loads(bundle.path("golden.cbor").read_bytes())
    interface, allowed = bundle.interface(), allowed_steps(bundle, kernels_of(bundle))
    for index, (inputs, wanted) in enumerate(zip(golden["inputs"], golden["outputs"], strict=True)):
        got = device.invoke(b"".join(inputs), release.n)
        if len(got) != len(b"".join(wanted)):
            return index, list(inputs)
        rows = (np.frombuffer(each, np.uint8)[None] for each in (got, b"".join(wanted)))
        if compare(interface, *rows).steps[0] > allowed:
            return index, list(inputs)
    return None


@contextmanager
def explained(
    device: Device, bundle: Path | None = None, among: Sequence[Path] = (), progress: Progress = silent
) -> Iterator[None]:
    """Where golden vectors fail in the block, the error also says which operator it is, as far as that can be told."""
    try:
        yield
    except DeviceError as error:
        if error.status != Status.SELFTEST:
            raise
        found, words = _explanation(device, bundle, among, progress)
        told = DeviceError(f"{error.message} {words}".rstrip(), error.hint, error.status)
        told.facts = {**error.facts, **({"diverges": asdict(found)} if found else {})}
        raise told from error


def _explanation(
    device: Device, folder: Path | None, among: Sequence[Path], progress: Progress
) -> tuple[Parting | None, str]:
    """Looking must not hide what was found before."""
    try:
        release = serving(device)
        bundle = bundle_of(release, folder, among)
        failing = failing_vector(device, release, bundle)
        if failing is None:
            return None, ""
        found = first_parting(device, release, bundle, failing[1], lambda note: progress(f"comparing {note}"))
    except LinkError:
        return None, ""
    except EdgeqError as error:
        return None, f"Which operator it is cannot be told: {error.message}"
    if found is None:
        return None, "Operator by operator, device and this machine agree: the golden vectors are of another runtime."
    return found, found.sentence()
