"""What the runtime would refuse is refused while compiling, by operator and tensor; at its limits it runs."""

from __future__ import annotations

import numpy as np
import pytest
from flat import Op, Tensor, options, padding, write_model

from edgeq.errors import ConvertError
from edgeq.micro.compile import compile_model
from edgeq.micro.lower import NEAREST, OPERATORS
from edgeq.micro.native import NativeModel

TINY, HUGE = Tensor((1, 4, 4, 2), "int8", (1e-9,), 3), Tensor((1, 4, 4, 2), "int8", (1e9,), -5)


def softmax(depth: int) -> Op:
    source, out = Tensor((1, depth), "int8", (0.05,), 3), Tensor((1, depth), "int8", (1 / 256,), -128)
    return Op("SOFTMAX", (source,), (out,), options("Softmax", beta=1.0))


def pool(side: int) -> Op:
    source, out = Tensor((1, side, side, 1), "int8", (0.1,)), Tensor((1, 1, 1, 1), "int8", (0.1,))
    window = options("Pool2D", padding=padding("VALID"), strideH=1, strideW=1, filterHeight=side, filterWidth=side)
    return Op("AVERAGE_POOL_2D", (source,), (out,), window)


def conv(source: Tensor, out: Tensor) -> Op:
    filters = Tensor((2, 1, 1, 2), "int8", (0.01,), data=np.ones((2, 1, 1, 2), np.int8))
    return Op("CONV_2D", (source, filters), (out,), options("Conv2D", strideH=1, strideW=1))


def mean(side: int, scale: float) -> Op:
    source, out = Tensor((side, side), "int8", (0.1,)), Tensor((1,), "int8", (scale,))
    axes = Tensor((2,), "int32", data=np.array([0, 1], np.int32))
    return Op("MEAN", (source, axes), (out,), options("Reducer"))


BEYOND = {
    "softmax": softmax(8192),
    "pool": pool(363),
    "conv": conv(HUGE, TINY),
    "mul": Op("MUL", (HUGE, HUGE), (TINY,), options("Mul")),
    "mean": mean(4096, 0.1),
    "mean-scale": mean(2, 1e-12),
    "quantize": Op("QUANTIZE", (HUGE,), (Tensor(TINY.shape, "int16", (1e-9,)),), options("Quantize")),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_lies_beyond_a_limit_is_refused_by_name(name: str) -> None:
    op = BEYOND[name]
    inputs = [item for item in dict.fromkeys(op.inputs) if item is not None and item.data is None]
    with pytest.raises(ConvertError) as caught:
        compile_model(write_model([op], inputs, op.outputs))
    assert str(caught.value).startswith(f"{op.name} at tensor 't")


@pytest.mark.parametrize("op", [softmax(8191), pool(362)])
def test_what_lies_at_a_limit_runs(op: Op) -> None:
    (source,) = op.inputs
    assert source is not None
    with NativeModel(compile_model(write_model([op], [source], op.outputs)).image()) as model:
        assert model.invoke([np.zeros(source.shape, np.int8).tobytes()])


def test_hints_are_for_operators_that_do_not_run() -> None:
    assert not NEAREST.keys() & OPERATORS.keys()


def test_an_operator_that_does_not_run_is_named_with_what_comes_nearest() -> None:
    source = Tensor((1, 4, 4, 2), "int8", (0.1,))
    op = Op("NEG", (source,), (source.like(source.shape),))
    with pytest.raises(ConvertError) as caught:
        compile_model(write_model([op], [source], op.outputs))
    assert "NEG at tensor 't1'" in str(caught.value) and caught.value.hint == NEAREST["NEG"]
