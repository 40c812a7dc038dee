"""Where a device and this machine part: the first operator whose result differs, on an input that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.agent.looking import patched
from edgeq.bundle import MODEL, Bundle
from edgeq.correctness import allowed_steps, bundle_of, kernels_of
from edgeq.correctness.agree import FLOAT_STEP, compare
from edgeq.correctness.records import Sample, first_differing, start_anew
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import EdgeqError, LinkError
from edgeq.interface import DTYPES, Interface, Tensor
from edgeq.model.info import ModelInfo, TensorInfo
from edgeq.model.tflite import read_model
from edgeq.preprocess import Raw
from edgeq.preprocess.wire import decode_raw
from edgeq.protocol import cbor
from edgeq.quantize.host import invoke_all
from edgeq.quantize.sensitivity import short
from edgeq.served import is_of, serving

FRONT_END = "front end"


@dataclass(frozen=True)
class Parting:
    """The first operator, by its place in the file, whose result differs by more than `allowed` steps: by `steps` at
    most (None where one side has no number), in `differing` of its `elements`. `first` is the place of the first value
    that does, `there` what it is on the device and `here` on this machine. `looked` operators were compared.

    On a microcontroller `record` of the plan did it, with `kernel`, for the operator and those in `also`; an `index` of
    None is the front end, which makes the model's input.
    """

    index: int | None
    operator: str
    tensor: str
    steps: float | None
    differing: int
    elements: int
    allowed: int
    looked: int
    first: int | None = None
    there: float | None = None
    here: float | None = None
    record: int | None = None
    kernel: str = ""
    also: tuple[int, ...] = ()

    def sentence(self) -> str:
        """For people."""
        worst = "no number on one side" if self.steps is None else f"up to {self.steps:g} steps"
        values = f"{self.differing} of its {self.elements} values differ, {worst}"
        if self.first is not None:
            values += f"; the first is value {self.first}, {_number(self.there)} there and {_number(self.here)} here"
        if self.index is None:
            return f"The {FRONT_END} computes something else than on this machine ('{self.tensor}'): {values}."
        return (
            f"The first operator that computes something else than on this machine is number {self.index}, "
            f"{self.operator} ('{self.tensor}'): {values}."
        )


def first_parting(
    device: Device, release: Release, bundle: Bundle, samples: Sequence[Sample], progress: Progress = silent
) -> Parting | None:
    """Follow the last of `samples` through the release and through the bundle's model here, operator by operator; None
    where all are as equal as is promised.

    On Linux both sides compute every tensor with their own kernels for it. A microcontroller and the runtime here carry
    out the same plan, from its first state on, with all of `samples`. `DeviceError` with status UNSUPPORTED where the
    device does not show what lies between operators, as older agents and firmware do not.
    """
    if _is_mcu(device):
        return _by_records(device, release, bundle, samples, progress)
    inputs = samples[-1]
    if isinstance(inputs, Raw):
        raise ValueError("the model's own input is followed")
    return _by_tensors(device, release, bundle, list(inputs), progress)


def _by_tensors(
    device: Device, release: Release, bundle: Bundle, inputs: list[bytes], progress: Progress
) -> Parting | None:
    model, kernels = bundle.path(MODEL).read_bytes(), kernels_of(bundle)
    allowed, sample = allowed_steps(bundle, kernels), b"".join(inputs)
    for looked, (index, name, place, facts) in enumerate(_places(read_model(model)), 1):
        progress(f"operator {index + 1}: {name}")
        there = device.look(sample, place, release.n)
        ((here, *_),) = invoke_all(patched(model, place), kernels, [inputs])
        if there == here:
            continue
        if len(there) != len(here):
            count = max(1, len(here) // np.dtype(facts.dtype).itemsize)
            return Parting(index, name, short(facts.name), None, count, count, allowed, looked)
        one, other = (np.frombuffer(data, np.dtype(facts.dtype).newbyteorder("<")) for data in (there, here))
        found = _apart(one, other, facts.dtype, allowed)
        if found:
            return Parting(index, name, short(facts.name), allowed=allowed, looked=looked, **found)
    return None


def _by_records(
    device: Device, release: Release, bundle: Bundle, samples: Sequence[Sample], progress: Progress
) -> Parting | None:
    found = first_differing(device, release, bundle, samples, progress)
    if found is None:
        return None
    piece, operators = found.piece, read_model(bundle.path(MODEL).read_bytes()).subgraphs[0].operators
    index = piece.operators[0] if piece.operators else None
    apart = _apart(found.there, found.here, piece.dtype, 0)
    return Parting(
        index,
        FRONT_END if index is None else operators[index].custom or operators[index].name,
        short(piece.tensor),
        allowed=0,
        looked=found.looked,
        record=None if index is None else piece.record,
        kernel=piece.kernel,
        also=piece.operators[1:],
        **apart,
    )


def _apart(there: NDArray[Any], here: NDArray[Any], dtype: str, allowed: int) -> dict[str, Any]:
    """How far values are apart, as `Parting` has it; empty where they are as equal as is allowed."""
    tensor = Tensor("", (1, max(1, here.size)), dtype, 0.0, 0)
    rows = (np.frombuffer(each.tobytes(), np.uint8)[None] for each in (there, here))
    found = compare(Interface((), (tensor,)), *rows)
    if not found.steps[0] > allowed:
        return {}
    (table,) = found.outputs
    one, other = there.astype(np.float64), here.astype(np.float64)
    unit, bits = FLOAT_STEP if here.dtype.kind == "f" else 1.0, f"V{here.dtype.itemsize}"
    with np.errstate(invalid="ignore"):
        near = (there.view(bits) == here.view(bits)) | (one == other) | (np.abs(one - other) / unit <= allowed)
    first = int(np.argmin(near))
    return {
        "steps": table["largest"],
        "differing": table["elements"] - table["histogram"]["0"],
        "elements": table["elements"],
        "first": first,
        "there": _finite(one[first]),
        "here": _finite(other[first]),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:g}"


def _is_mcu(device: Device) -> bool:
    return device.describe().get("kind") == "mcu"


def _places(info: ModelInfo) -> Iterator[tuple[int, str, int, TensorInfo]]:
    """Number and name of each operator of the main graph, and each tensor that it gives, with its facts."""
    graph = info.subgraphs[0]
    for index, operator in enumerate(graph.operators):
        for place in operator.outputs:
            if place >= 0 and graph.tensors[place].dtype in DTYPES and not graph.tensors[place].data_bytes:
                yield index, operator.custom or operator.name, place, graph.tensors[place]


@dataclass(frozen=True)
class Failing:
    """Golden vector `index`, the last of `samples`; those before it come first, for they are one sequence."""

    index: int
    samples: tuple[Sample, ...]


def failing_vector(device: Device, release: Release, bundle: Bundle) -> Failing | None:
    """The first golden vector that the release does not match: on Linux of those from the model's own input, on a
    microcontroller, which goes through them from its first state on, of all."""
    golden = cbor.loads(bundle.path("golden.cbor").read_bytes())
    samples: list[Sample] = [list(inputs) for inputs in golden["inputs"]]
    outputs = [b"".join(wanted) for wanted in golden["outputs"]]
    if _is_mcu(device):
        start_anew(device, release)
        samples += [decode_raw(item) for item in golden.get("raw", ())]
        outputs += [b"".join(item["outputs"]) for item in golden.get("raw", ())]
    interface, allowed = bundle.interface(), allowed_steps(bundle, kernels_of(bundle))
    for index, (sample, wanted) in enumerate(zip(samples, outputs, strict=True)):
        if isinstance(sample, Raw):
            got = device.invoke_raw(sample, release.n)
        else:
            got = device.invoke(b"".join(sample), release.n)
        rows = (np.frombuffer(each, np.uint8)[None] for each in (got, wanted))
        if len(got) != len(wanted) or compare(interface, *rows).steps[0] > allowed:
            return Failing(index, tuple(samples[: index + 1]))
    return None


def explanation(
    device: Device, folder: Path | None, among: Sequence[Path], deployed: Bundle | None, progress: Progress
) -> tuple[Parting | None, str]:
    """Why golden vectors fail, and the same for people: of what serves, whose bundle is in `folder` or `among`, or of
    `deployed`, which came to the device. Empty where it cannot be told: looking must not hide what was found before."""
    try:
        release = _arrived(device, deployed) if deployed else serving(device)
        if release is None:
            return None, ""
        bundle = deployed or bundle_of(release, folder, among)
        failing = failing_vector(device, release, bundle)
        if failing is None:
            return None, ""
        found = first_parting(device, release, bundle, failing.samples, lambda note: progress(f"comparing {note}"))
    except LinkError:
        return None, ""
    except EdgeqError as error:
        return None, f"Which operator it is cannot be told: {error.message}"
    except (OSError, ValueError, KeyError) as error:
        return None, f"Which operator it is cannot be told, as the bundle here is damaged: {error}."
    if found is None:
        return None, "Operator by operator, device and this machine agree: the golden vectors are of another runtime."
    return found, found.sentence()


def _arrived(device: Device, bundle: Bundle) -> Release | None:
    """The release of a bundle, whatever became of it."""
    return next((release for release in device.releases() if is_of(bundle, release)), None)
