"""A float `.tflite` opened for repairs: its layers with constant weights, and their constants as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.objects import name_of, operator_name, pack_tflite, store, unpack_tflite, values
from edgeq.quantize.detect import WEIGHTED

Floats = NDArray[np.float32]

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""Of the schema, by number: what an operator applies to its result."""
SAME = 0
"""The schema's number for padding that keeps the size."""


@dataclass(frozen=True)
class Layer:
    """An operator of the main graph with weights of its own; `source`, `target`, `weights` and `bias` are positions of
    tensors, `bias` -1 where there is none. `options` are the schema's."""

    place: int
    kind: str
    source: int
    target: int
    weights: int
    bias: int
    options: Any

    @property
    def activation(self) -> str:
        """What is applied to the result."""
        return ACTIVATIONS[getattr(self.options, "fusedActivationFunction", 0) or 0]

    @property
    def axis(self) -> int:
        """The axis of the weights that numbers the layer's outputs."""
        return WEIGHTED[self.kind][1]


class Net:
    """The objects of a model; `array` and `put` read and replace constants, `pack` gives the bytes again."""

    def __init__(self, model: bytes) -> None:
        self.model = unpack_tflite(model)
        self.graph = self.model.subgraphs[0]

    def pack(self) -> bytes:
        """The bytes of the changed model."""
        return pack_tflite(self.model)

    def name(self, index: int) -> str:
        """Of a tensor."""
        return name_of(self.graph.tensors[index])

    def shape(self, index: int) -> tuple[int, ...]:
        """Of a tensor."""
        found = self.graph.tensors[index].shape
        return tuple(int(size) for size in found) if found is not None else ()

    def constant(self, index: int) -> bool:
        """Whether a tensor is a float constant."""
        return index >= 0 and bool(values(self.model, self.graph.tensors[index]).size)

    def array(self, index: int) -> Floats:
        """The values of a float constant, in its shape."""
        return values(self.model, self.graph.tensors[index]).reshape(self.shape(index))

    def put(self, index: int, data: NDArray[Any]) -> None:
        """Replace the values of a constant."""
        store(self.model, self.graph.tensors[index], np.ascontiguousarray(data, "<f4"))

    def operators(self) -> Iterator[tuple[str, Any]]:
        """(name, operator) in order."""
        for operator in self.graph.operators:
            yield operator_name(self.model, operator), operator

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Those whose weights and bias are float constants that nothing else uses."""
        uses: dict[int, int] = {}
        for graph in self.model.subgraphs:
            if graph is self.graph:
                for operator in graph.operators:
                    for index in operator.inputs:
                        uses[int(index)] = uses.get(int(index), 0) + 1
        found = []
        for place, (kind, operator) in enumerate(self.operators()):
            inputs = [int(index) for index in operator.inputs]
            held = WEIGHTED.get(kind, (-1, 0))[0]
            if not 0 <= held < len(inputs):
                continue
            source = inputs[2] if kind == "TRANSPOSE_CONV" else inputs[0]
            after = 3 if kind == "TRANSPOSE_CONV" else 2
            bias = inputs[after] if len(inputs) > after else -1
            own = [inputs[held], *([bias] if bias >= 0 else [])]
            if all(self.constant(index) and uses[index] == 1 for index in own) and not self.constant(source):
                target = int(operator.outputs[0])
                found.append(Layer(place, kind, source, target, inputs[held], bias, operator.builtinOptions))
        return tuple(found)


def replaced(model: bytes, constants: Mapping[str, Floats]) -> bytes:
    """`model` with other values for the constants named; each keeps its shape."""
    if not constants:
        return model
    net = Net(model)
    for index in range(len(net.graph.tensors)):
        if net.name(index) in constants and net.constant(index):
            net.put(index, constants[net.name(index)])
    return net.pack()
