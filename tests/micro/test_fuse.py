"""Fusion: what is fused, what is not, and that the bytes stay the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from flat import Op, Tensor, activation, options, padding, write_model

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

RNG = np.random.default_rng(5)


def tensor(*shape: int, scale: float = 0.05, zero_point: int = 3) -> Tensor:
    return Tensor(shape, scales=(scale,), zero_point=zero_point)


def constant(values: np.ndarray, scale: float = 0.0) -> Tensor:
    return Tensor(values.shape, str(values.dtype), (scale,) if scale else (), data=values)


def conv(source: Tensor, out: Tensor, size: int = 3, pad: str = "SAME", name: str = "CONV_2D") -> Op:
    in_c, out_c = source.shape[3], out.shape[3]
    shape = (out_c, size, size, in_c) if name == "CONV_2D" else (1, size, size, out_c)
    weights = constant(RNG.integers(-127, 128, shape).astype(np.int8), 0.01)
    bias = constant(RNG.integers(-500, 500, out_c).astype(np.int32), 0.0005)
    kind = "Conv2D" if name == "CONV_2D" else "DepthwiseConv2D"
    more = {} if name == "CONV_2D" else {"depthMultiplier": out_c // in_c}
    return Op(name, (source, weights, bias), (out,), options(kind, padding=padding(pad), strideW=1, strideH=1, **more))


def add(a: Tensor, b: Tensor, out: Tensor, name: str = "ADD", fused: str = "NONE") -> Op:
    return Op(name, (a, b), (out,), options(name.title(), fusedActivationFunction=activation(fused)))


def names(ops: Sequence[Op], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[str]:
    """The kernels of the fused plan, after its bytes were compared with those of the plain one."""
    model = write_model(ops, inputs, outputs)
    fused, plain = compile_model(model), compile_model(model, fuse=False)
    with NativeModel(fused.image()) as one, NativeModel(plain.image()) as other:
        for _ in range(5):
            given = [RNG.integers(-128, 128, item.shape).astype(np.int8).tobytes() for item in inputs]
            assert one.invoke(given) == other.invoke(given)
    assert fused.arena.bytes <= plain.arena.bytes
    return [op.name for op in fused.plan.ops]


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("pad", ["SAME", "VALID"])
def test_a_pad_goes_into_the_convolution(kind: str, pad: str) -> None:
    x, padded = tensor(1, 6, 5, 4), tensor(1, 9, 6, 4)
    out = tensor(1, *((9, 6) if pad == "SAME" else (7, 4)), 4, scale=0.1)
    amounts = constant(np.array([[0, 0], [1, 2], [1, 0], [0, 0]], np.int32))
    found = names([Op("PAD", (x, amounts), (padded,)), conv(padded, out, pad=pad, name=kind)], [x], [out])
    assert found == ["conv_i8" if kind == "CONV_2D" else "depthwise_i8"]


def test_a_pad_that_somebody_else_reads_stays() -> None:
    x, padded, out = tensor(1, 4, 4, 2), tensor(1, 6, 6, 2), tensor(1, 4, 4, 2)
    amounts = constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    ops = [Op("PAD", (x, amounts), (padded,)), conv(padded, out, pad="VALID")]
    assert names(ops, [x], [out, padded]) == ["fill", "copy", "conv_i8"]


@pytest.mark.parametrize("which", ["ADD", "SUB"])
@pytest.mark.parametrize("first", [True, False])
def test_a_residual_is_added_in_the_convolution(which: str, first: bool) -> None:
    x, y, out = tensor(1, 5, 5, 3), tensor(1, 5, 5, 3, scale=0.3), tensor(1, 5, 5, 3, scale=0.2, zero_point=-9)
    joined = add(y, x, out, which) if first else add(x, y, out, which)
    found = names([conv(x, y), joined], [x], [out])
    assert found == (["conv_i8"] if which == "ADD" or first else ["conv_i8", "add_i8"])


def test_of_two_convolutions_the_later_one_adds() -> None:
    x, a, b, out = tensor(1, 5, 5, 3), tensor(1, 5, 5, 4), tensor(1, 5, 5, 4), tensor(1, 5, 5, 4)
    compiled = compile_model(write_model([conv(x, a), conv(x, b, 1), add(a, b, out)], [x], [out]))
    assert [getattr(op, "sum", None) is not None for op in compiled.plan.ops] == [False, True]
    assert names([conv(x, a), conv(x, b, 1), add(a, b, out)], [x], [out]) == ["conv_i8", "conv_i8"]


def test_a_convolution_that_somebody_else_reads_is_not_changed() -> None:
    x, y, out = tensor(1, 5, 5, 3), tensor(1, 5, 5, 3), tensor(1, 5, 5, 3)
    assert names([conv(x, y), add(y, x, out)], [x], [out, y]) == ["conv_i8", "add_i8"]


def test_a_relu_narrows_its_producer_where_the_scales_are_one() -> None:
    x, y, same, other = (tensor(1, 4, 4, 2) for _ in range(4))
    assert names([conv(x, y), Op("RELU", (y,), (same,))], [x], [same]) == ["conv_i8"]
    wider = tensor(1, 4, 4, 2, scale=0.5)
    assert names([conv(x, y), Op("RELU", (y,), (wider,))], [x], [wider]) == ["conv_i8", "lut_i8"]
    ops = [conv(x, y), add(y, x, same, fused="RELU6"), Op("RELU6", (same,), (other,))]
    assert names(ops, [x], [other]) == ["conv_i8"]


def first_rows(source: Tensor, out: Tensor) -> Op:
    given = [constant(np.array(values, np.int32)) for values in ((0, 0, 0, 0), out.shape, (1, 1, 1, 1))]
    return Op("STRIDED_SLICE", (source, *given), (out,), options("StridedSlice"))


def test_what_reads_only_a_part_does_not_join_the_record_that_gives_the_whole() -> None:
    x, y, part, out, other = tensor(1, 8, 8, 3), tensor(1, 8, 8, 3), *(tensor(1, 4, 8, 3) for _ in range(3))
    ops = [conv(x, y), first_rows(y, part)]
    assert names([*ops, Op("RELU", (part,), (out,))], [x], [out]) == ["conv_i8", "lut_i8"]
    assert names([*ops, add(part, other, out)], [x, other], [out]) == ["conv_i8", "add_i8"]
    assert names([*ops, add(other, part, out)], [x, other], [out]) == ["conv_i8", "add_i8"]


def test_parts_are_computed_in_their_place() -> None:
    x, a, b, out = tensor(1, 8, 8, 2), tensor(1, 8, 8, 2), tensor(1, 8, 8, 2), tensor(2, 8, 8, 2)
    join = Op("CONCATENATION", (a, b), (out,), options("Concatenation", axis=0))
    assert names([conv(x, a), conv(x, b, 1), join], [x], [out]) == ["conv_i8", "conv_i8"]


def test_a_border_is_not_filled_over_what_was_computed() -> None:
    x, y, out = tensor(1, 4, 4, 2), tensor(1, 4, 4, 2), tensor(3, 4, 4, 2)
    amounts = constant(np.array([[1, 1], [0, 0], [0, 0], [0, 0]], np.int32))
    assert names([conv(x, y), Op("PAD", (y, amounts), (out,))], [x], [out]) == ["conv_i8", "fill", "copy"]


def test_a_convolution_over_a_batch_of_cuttings_is_a_dilated_one() -> None:
    x, cut, done, out = tensor(1, 8, 8, 2), tensor(4, 4, 4, 2), tensor(4, 2, 2, 3), tensor(1, 4, 4, 3)
    block, none = constant(np.array([2, 2], np.int32)), constant(np.zeros((2, 2), np.int32))
    ops = [
        Op("SPACE_TO_BATCH_ND", (x, block, none), (cut,)),
        conv(cut, done, pad="VALID"),
        Op("BATCH_TO_SPACE_ND", (done, block, none), (out,)),
    ]
    (op,) = compile_model(write_model(ops, [x], [out])).plan.ops
    assert (op.win.dil_h, op.win.dil_w, op.win.in_h, op.win.out_h) == (2, 2, 8, 4)  # type: ignore[attr-defined]


def test_a_residual_that_the_convolution_reads_too() -> None:
    x, y, out = tensor(1, 6, 6, 4), tensor(1, 6, 6, 4), tensor(1, 6, 6, 4)
    h = tensor(1, 6, 6, 4)
    assert names([conv(x, h), conv(h, y), add(y, h, out)], [x], [out]) == ["conv_i8", "conv_i8"]
