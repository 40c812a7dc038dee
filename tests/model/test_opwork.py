"""What there is to do for an operator, alone and together with others that a plan executes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from flat import Op, Tensor, options, padding, write_model

from edgeq.micro.compile import compile_model
from edgeq.micro.trace import trace
from edgeq.model.opwork import joined_works, operator_works, together
from edgeq.model.tflite import read_model
from edgeq.model.window import cuts

BLOCK = np.array([3, 2], np.int32)
CASES = Path(__file__).resolve().parents[1] / "cases" / "models"


def test_all_operators_are_counted() -> None:
    model = (CASES / "tiny_int8.tflite").read_bytes()
    info = read_model(model)
    works = operator_works(model)
    assert [work.op for work in works] == [operator.name for _, operator in info.operators]
    assert sum(work.macs for work in works) == info.macs()
    assert works[0].outputs == 4 * 4 * 4 and works[0].window and works[4].window is None


def test_those_that_join_another_bring_their_work() -> None:
    model = (CASES / "tiny_int8.tflite").read_bytes()
    alone = operator_works(model)
    joined = joined_works(model, [(0,), (1, 0), (3, 2)])
    assert joined[1].macs == alone[0].macs + alone[1].macs and joined[3].macs == alone[3].macs
    assert together([(5,), (1, 0), (1, 3)]) == {5: [], 1: [0, 3]}


def test_a_convolution_of_a_picture_that_was_cut_is_a_dilated_one() -> None:
    """TFLite writes a dilated convolution so for a model of any batch size; `edgeq.micro` joins the three."""
    x, cut, done, out = (
        Tensor(shape, scales=(0.05,)) for shape in ((1, 9, 8, 2), (6, 3, 4, 2), (6, 1, 2, 3), (1, 3, 4, 3))
    )
    block, none = (Tensor(data.shape, "int32", data=data) for data in (BLOCK, np.zeros((2, 2), np.int32)))
    weights, bias = np.ones((3, 3, 3, 2), np.int8), np.zeros(3, np.int32)
    inputs = (cut, Tensor(weights.shape, scales=(0.1,), data=weights), Tensor(bias.shape, "int32", (0.005,), data=bias))
    model = write_model(
        [
            Op("SPACE_TO_BATCH_ND", (x, block, none), (cut,)),
            Op("CONV_2D", inputs, (done,), options("Conv2D", padding=padding("VALID"), strideW=1, strideH=1)),
            Op("BATCH_TO_SPACE_ND", (done, block, none), (out,)),
        ],
        [x],
        [out],
    )
    alone = operator_works(model)[1].window
    assert alone and (alone.dilation, alone.size) == ((1, 1), (3, 3))
    assert cuts(model, read_model(model).subgraphs[0]) == {0: (3, 2)}
    origins = trace(model, [op.kind for op in compile_model(model).plan.ops])
    assert origins and set(origins[0]) == {0, 1, 2}
    joined = joined_works(model, origins)[1].window
    assert joined and joined.dilation == (3, 2)
