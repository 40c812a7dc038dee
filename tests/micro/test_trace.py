"""Records of a plan followed back to the operators of the file, over the models that the repository has."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.micro.compile import compile_model
from edgeq.micro.trace import trace
from edgeq.model.macs import Work, operator_macs
from edgeq.model.tflite import read_model

MODELS = sorted((Path(__file__).parents[1] / "cases").rglob("*int8.tflite"))
VIEWS = {"RESHAPE", "EXPAND_DIMS", "SQUEEZE", "UNPACK", "STRIDED_SLICE", "TRANSPOSE"}
"""Operators that may need no record: the next one reads memory otherwise."""
SHAPES = {"SHAPE", "GATHER", "REDUCE_PROD", "CONCATENATION", "PACK", "FILL"}
"""And those that compute a shape, which is known."""


def traced(model: bytes) -> tuple[tuple[int, ...], ...]:
    found = trace(model, [op.kind for op in compile_model(model).plan.ops])
    assert found is not None
    return found


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_operator_with_work_has_its_record(path: Path) -> None:
    model = path.read_bytes()
    main, origins = read_model(model).subgraphs[0], traced(model)
    assert all(origins)
    done = {index for record in origins for index in record}
    left = {operator.name for index, operator in enumerate(main.operators) if index not in done}
    assert left <= VIEWS | SHAPES

    def macs(index: int) -> int:
        operator = main.operators[index]
        shapes = [main.tensors[at].shape if at >= 0 else () for at in operator.inputs]
        return operator_macs(operator.name, Work(shapes, [main.tensors[at].shape for at in operator.outputs]))

    assert sum(map(macs, done)) == read_model(model).macs()
    assert all(macs(record[0]) == max(map(macs, record)) for record in origins)


def test_a_residual_sum_belongs_to_its_convolution(shared_models: Path) -> None:
    model = (shared_models / "ic_mlperf_int8.tflite").read_bytes()
    main = read_model(model).subgraphs[0]
    names = [[main.operators[index].name for index in record] for record in traced(model)]
    assert names.count(["CONV_2D", "ADD"]) == 3
    assert names[-1] == ["SOFTMAX"]


def test_another_plan_has_no_origins_here() -> None:
    assert trace(MODELS[-1].read_bytes(), [1, 2, 3]) is None
