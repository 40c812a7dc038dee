"""What edgeq knows about a `.tflite` model: tensors, operators, sizes, multiply-accumulates. Plain frozen records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.model.macs import Work, operator_macs
from edgeq.model.schema import FLOATS, TENSOR_TYPES

_BITS = dict(TENSOR_TYPES)


@dataclass(frozen=True)
class TensorInfo:
    """One tensor. `shape` has the batch dimension. `scales` and `zero_points` hold one value per tensor or per channel
    of `axis`; both are empty where it is not quantized. `data_bytes` is what the file stores: 0 for an activation."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    data_bytes: int
    variable: bool

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes that its values take in memory; 0 for types without a fixed size."""
        return (self.elements * _BITS[self.dtype] + 7) // 8


@dataclass(frozen=True)
class Operator:
    """One operator; `inputs` and `outputs` are positions in `Subgraph.tensors`, -1 for an optional input left out."""

    name: str
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    transposed_x: bool = False
    """BATCH_MATMUL only: its first input is transposed."""
    graphs: tuple[int, ...] = ()
    """The graphs that it runs, by position in `ModelInfo.subgraphs`."""


@dataclass(frozen=True)
class Subgraph:
    """The first of a model is its main graph; others are bodies of control flow."""

    name: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What one `.tflite` file holds. Sizes in bytes."""

    subgraphs: tuple[Subgraph, ...]
    size_bytes: int
    weights_bytes: int
    open_inputs: tuple[tuple[str, str], ...] = ()
    """(name, shape as text) of each input that has an axis without a fixed size, other than the batch."""

    signatures: tuple[tuple[str, int], ...] = ()
    """(name, position in `subgraphs`) of each way to call the model that the file names."""

    @property
    def unused_signatures(self) -> tuple[str, ...]:
        """Names of those that call another graph than the main one: edgeq runs that."""
        return tuple(name for name, graph in self.signatures if graph)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The inputs of the main graph, in order."""
        main = self.subgraphs[0]
        return tuple(main.tensors[index] for index in main.inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The outputs of the main graph, in order."""
        main = self.subgraphs[0]
        return tuple(main.tensors[index] for index in main.outputs)

    @property
    def operators(self) -> Iterator[tuple[Subgraph, Operator]]:
        """Every operator with the graph that it is in."""
        return ((graph, operator) for graph in self.subgraphs for operator in graph.operators)

    def op_counts(self) -> dict[str, int]:
        """How often each operator occurs, by name; custom ones as `CUSTOM:name`."""
        counts = Counter(operator.custom or operator.name for _, operator in self.operators)
        return dict(sorted(counts.items()))

    def macs(self) -> int:
        """Multiply-accumulates of one inference; the body of a loop counts once."""
        return sum(
            operator_macs(
                operator.name,
                Work(
                    [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs],
                    [graph.tensors[index].shape for index in operator.outputs],
                    operator.transposed_x,
                ),
            )
            for graph, operator in self.operators
        )

    def float_tensors(self) -> tuple[TensorInfo, ...]:
        """Every tensor of a floating-point type."""
        return tuple(tensor for graph in self.subgraphs for tensor in graph.tensors if tensor.dtype in FLOATS)

    def largest_activations_bytes(self) -> int:
        """The most that the inputs and outputs of one operator take together: a lower bound of the working memory."""
        sizes = (
            sum(
                graph.tensors[index].size_bytes
                for index in {*operator.inputs, *operator.outputs}
                if index >= 0 and not graph.tensors[index].data_bytes
            )
            for graph, operator in self.operators
        )
        return max(sizes, default=0)
