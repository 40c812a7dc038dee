"""Models that were trained with quantization in mind elsewhere: their ranges are read from the marks in their graph.

TensorFlow's converter writes what tfmot inserts as a QUANTIZE and a DEQUANTIZE behind each tensor, or as FAKE_QUANT.
Both are taken out again; what is left is a float model whose weights lie on their grid, and the ranges that it was
trained in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.finetune.graph import channels, read_graph
from edgeq.finetune.result import with_values
from edgeq.finetune.scales import fixed, groups
from edgeq.model.info import ModelInfo, Operator, Subgraph, TensorInfo
from edgeq.model.objects import name_of, pack_tflite, store, unpack_tflite
from edgeq.quantize.engine.ranges import Range

Floats = NDArray[np.float32]

_ENDS = {"int8": (-128, 127), "uint8": (0, 255)}
_LARGEST = 127
"""Of an integer of symmetric int8 weights."""


@dataclass(frozen=True)
class Marked:
    """A float `model` without marks; `ranges` by tensor as it was trained, `weights` the largest magnitude of each
    channel. `open_tensors` are tensors that nothing in the model gives a range; `moved_weights` those that lay on no
    symmetric grid of 8 bits, or on one that nothing in the model tells: they were rounded to one."""

    model: bytes
    ranges: Mapping[str, Range]
    weights: Mapping[str, Floats]
    open_tensors: tuple[str, ...]
    moved_weights: tuple[str, ...]


def is_marked(info: ModelInfo) -> bool:
    """Whether a model computes in floats and carries the marks of quantization-aware training on its activations."""
    graph = info.subgraphs[0]
    readers = {index: operator for operator in graph.operators for index in operator.inputs}
    for operator in graph.operators:
        reader = readers.get(operator.outputs[0]) if operator.outputs else None
        given = graph.tensors[operator.inputs[0]] if operator.inputs and operator.inputs[0] >= 0 else None
        if given is None or given.data_bytes or given.dtype != "float32":
            continue
        back = operator.name == "QUANTIZE" and reader is not None and reader.name == "DEQUANTIZE"
        if (back and not _computes_in_integers(graph)) or operator.name == "FAKE_QUANT":
            return True
    return False


def unmark(data: bytes, info: ModelInfo) -> Marked:
    """Take the marks out. `ConvertError` for marks of a type that int8 kernels do not have."""
    graph = info.subgraphs[0]
    unpacked = unpack_tflite(data)
    objects = unpacked.subgraphs[0]
    found = _Marks(graph, unpacked)
    for place, operator in enumerate(graph.operators):
        found.look(operator, objects.operators[place])
    kept = [each for place, each in enumerate(objects.operators) if place not in found.gone]
    for operator in kept:
        operator.inputs = np.array([found.root(index) for index in operator.inputs], np.int32)
    outputs = {index: found.root(index) for index in graph.outputs}
    for shown, real in outputs.items():
        if shown != real and real not in graph.inputs:
            objects.tensors[real].name, objects.tensors[shown].name = (
                objects.tensors[shown].name,
                objects.tensors[real].name,
            )
    objects.outputs = np.array([outputs[index] for index in graph.outputs], np.int32)
    for definition in unpacked.signatureDefs or ():
        for entry in definition.outputs:
            entry.tensorIndex = outputs.get(entry.tensorIndex, entry.tensorIndex)
    objects.operators = kept
    for index, values in found.constants.items():
        store(unpacked, objects.tensors[index], values)
        objects.tensors[index].quantization = None
        objects.tensors[index].shape = np.array(values.shape, np.int32)
    ranges = {name_of(objects.tensors[index]): each for index, each in found.ranges.items()}
    steps = {name_of(objects.tensors[index]): each for index, each in found.steps.items()}
    _drop_unused(unpacked)
    return _named(pack_tflite(unpacked), ranges, steps)


@dataclass
class _Marks:
    """What the marks say, by tensor: `same` leads from a marked tensor to the one before its marks."""

    graph: Subgraph
    unpacked: Any
    same: dict[int, int] = field(default_factory=dict)
    ranges: dict[int, Range] = field(default_factory=dict)
    steps: dict[int, Floats] = field(default_factory=dict)
    constants: dict[int, Floats] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    _place: int = -1

    def root(self, index: int) -> int:
        while index in self.same:
            index = self.same[index]
        return index

    def look(self, operator: Operator, stored: Any) -> None:
        """At the next operator."""
        self._place += 1
        if operator.name == "QUANTIZE":
            self._quantize(self.root(operator.inputs[0]), operator.outputs[0])
        elif operator.name == "DEQUANTIZE":
            self._restore(operator.inputs[0])
        elif operator.name == "FAKE_QUANT":
            self._fake(self.root(operator.inputs[0]), stored.builtinOptions)
        else:
            return
        self.same[operator.outputs[0]] = operator.inputs[0]
        self.gone.add(self._place)

    def _quantize(self, source: int, target: int) -> None:
        tensor = self.graph.tensors[target]
        if tensor.dtype not in _ENDS:
            raise _strange(tensor, tensor.dtype)
        low, high = _ENDS[tensor.dtype]
        if not self.graph.tensors[source].data_bytes:
            scale, zero = tensor.scales[0], tensor.zero_points[0]
            self._range(source, Range((low - zero) * scale, (high - zero) * scale))
            return
        scales, zeros = _spread(tensor, len(self.graph.tensors[source].shape))
        self._round(source, scales, zeros, low, high)

    def _fake(self, source: int, options: Any) -> None:
        """The grid of a FAKE_QUANT, nudged as TensorFlow does so that 0 lies on it."""
        tensor = self.graph.tensors[source]
        if options.numBits > 8 or (options.numBits < 8 and not tensor.data_bytes):
            raise _strange(tensor, f"{options.numBits} bits")
        low, high = int(options.narrowRange), 2**options.numBits - 1
        scale = max(float(options.max - options.min), 1e-12) / (high - low)
        zero = round(min(max(low - float(options.min) / scale, low), high))
        if tensor.data_bytes:
            self._round(source, np.array([scale], np.float32), np.array([zero], np.float32), low, high)
        else:
            self._range(source, Range(-zero * scale, (high - zero) * scale))

    def _round(self, source: int, scales: Floats, zeros: Floats, low: int, high: int) -> None:
        """Put a constant on its grid."""
        values = self.constants.get(source, _real(self.unpacked, source, self.graph.tensors[source]))
        integers = np.clip(np.rint(values / scales) + zeros, low, high)
        self.constants[source] = ((integers - zeros) * scales).astype(np.float32)
        self.steps[source] = scales.ravel()

    def _restore(self, index: int) -> None:
        """Of weights that are integers in the file already."""
        tensor = self.graph.tensors[index]
        if not tensor.data_bytes or index in self.constants:
            return
        if tensor.dtype not in _ENDS:
            raise _strange(tensor, tensor.dtype)
        data = bytes(self.unpacked.buffers[self.unpacked.subgraphs[0].tensors[index].buffer].data)
        integers = np.frombuffer(data, tensor.dtype).reshape(tensor.shape).astype(np.float32)
        scales, zeros = _spread(tensor, integers.ndim)
        self.constants[index] = ((integers - zeros) * scales).astype(np.float32)
        self.steps[index] = np.asarray(tensor.scales, np.float32)

    def _range(self, index: int, each: Range) -> None:
        self.ranges.setdefault(index, Range(min(each.low, 0.0), max(each.high, 0.0)))


def _named(model: bytes, ranges: Mapping[str, Range], steps: Mapping[str, Floats]) -> Marked:
    """What is known of the tensors that are left; those that share a scale share their range."""
    graph = read_graph(model)
    shared, prescribed, axes = groups(graph), fixed(graph), graph.weights()
    known = {shared[index]: ranges[graph.names[index]] for index in shared if graph.names[index] in ranges}
    known |= {shared[index]: each for index, each in prescribed.items() if index in shared}
    found = {graph.names[index]: known[first] for index, first in shared.items() if first in known}
    weights, moved = {}, {}
    for index, axis in axes.items():
        values, told = graph.constants[index], steps.get(graph.names[index], np.zeros(1, np.float32))
        step = _along(told, axis, values.shape)
        if not step.all() or np.abs(values / step).max() > _LARGEST + 0.5:
            step = np.asarray(np.maximum(channels(values, axis), 1e-9) / _LARGEST, np.float32)
            moved[index] = np.asarray(np.rint(values / step) * step, np.float32)
        weights[graph.names[index]] = (step * _LARGEST).ravel()
    missing = tuple(graph.names[index] for index, first in shared.items() if first not in known)
    names = tuple(graph.names[index] for index in moved)
    return Marked(with_values(model, moved) if moved else model, found, weights, missing, names)


def _along(steps: Floats, axis: int, shape: tuple[int, ...]) -> Floats:
    """One step for each channel, shaped to broadcast."""
    wanted = [1] * len(shape)
    wanted[axis] = shape[axis]
    return np.broadcast_to(steps, [shape[axis]]).reshape(wanted)


def _drop_unused(unpacked: Any) -> None:
    """Tensors that nothing refers to any more, and their numbers with them."""
    graph = unpacked.subgraphs[0]
    ends = [entry for each in unpacked.signatureDefs or () for entry in (*each.inputs, *each.outputs)]
    used = {*graph.inputs, *graph.outputs, *(entry.tensorIndex for entry in ends)}
    used |= {index for each in graph.operators for index in (*each.inputs, *each.outputs) if index >= 0}
    kept = sorted(int(index) for index in used)
    places = {index: place for place, index in enumerate(kept)} | {-1: -1}

    def renumbered(indices: Any) -> Any:
        return np.array([places[int(index)] for index in indices], np.int32)

    for each in graph.operators:
        each.inputs, each.outputs = renumbered(each.inputs), renumbered(each.outputs)
    for entry in ends:
        entry.tensorIndex = places[int(entry.tensorIndex)]
    graph.inputs, graph.outputs = renumbered(graph.inputs), renumbered(graph.outputs)
    graph.tensors = [graph.tensors[index] for index in kept]


def _computes_in_integers(graph: Subgraph) -> bool:
    """Whether any operator but a cast works on integers that stand for real numbers: such a model is quantized."""
    return any(
        graph.tensors[index].scales and not graph.tensors[index].data_bytes
        for operator in graph.operators
        if operator.name not in ("QUANTIZE", "DEQUANTIZE")
        for index in operator.outputs
    )


def _real(unpacked: Any, index: int, tensor: TensorInfo) -> Floats:
    data = unpacked.buffers[unpacked.subgraphs[0].tensors[index].buffer].data
    return np.frombuffer(bytes(data), "<f4").reshape(tensor.shape)


def _spread(tensor: TensorInfo, rank: int) -> tuple[Floats, Floats]:
    shape = [1] * rank
    if len(tensor.scales) > 1:
        shape[tensor.axis] = len(tensor.scales)
    return (
        np.asarray(tensor.scales, np.float32).reshape(shape),
        np.asarray(tensor.zero_points, np.float32).reshape(shape),
    )


def _strange(tensor: TensorInfo, what: str) -> ConvertError:
    return ConvertError(
        f"The model was trained with '{tensor.name}' in {what}; edgeq takes over ranges of 8 bits.",
        "Give the float model from before that training, and train it with edgeq finetune.",
    )
