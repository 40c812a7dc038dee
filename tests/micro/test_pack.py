from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flat import Op as Node
from flat import options, write_model
from hypothesis import given
from hypothesis import strategies as st
from networks import Network

from edgeq.errors import ArtifactError
from edgeq.micro.compile import compile_model
from edgeq.micro.fields import Buffer, View, Window
from edgeq.micro.native import NativeModel
from edgeq.micro.pack import depthwise_patch_bytes, pack_depthwise, pack_pairs, pack_rows
from edgeq.micro.plan import lay_out
from edgeq.micro.records import Conv


@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 19))
def test_every_weight_of_a_pair_is_where_the_kernels_look(groups: int, each: int, k: int) -> None:
    rows = np.random.default_rng(k).integers(-127, 128, (groups * each, k))
    packed = pack_pairs(rows, groups).reshape(groups, -1)
    blocks = -(-k // 4)
    assert packed.dtype == np.int8 and packed.shape[1] == -(-each // 2) * blocks * 8
    for row in range(groups * each):
        group, o = divmod(row, each)
        for i in range(k):
            at = ((o // 2) * blocks + i // 4) * 8 + (i & 1) * 4 + (i & 2) + (o & 1)
            assert packed[group, at] == rows[row, i]
            packed[group, at] = 0
    assert not packed.any()


@given(st.integers(1, 9), st.integers(1, 9))
def test_depthwise_weights_lie_in_fours_of_channels(out_c: int, taps: int) -> None:
    rows = np.random.default_rng(taps).integers(-127, 128, (out_c, taps))
    packed = pack_depthwise(rows).reshape(-1)
    assert packed.size == -(-out_c // 4) * 4 * taps
    for o in range(out_c):
        for tap in range(taps):
            assert packed[(o // 4 * taps + tap) * 4 + o % 4] == rows[o, tap]
    assert np.abs(packed).sum() == np.abs(rows).sum()


def test_rows_of_recurrent_layers_are_padded() -> None:
    assert pack_rows(np.array([[1, -2, 3, 4, 5]])).tolist() == [[1, -2, 3, 4, 5, 0, 0, 0]]


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_scratch_is_what_the_runtime_demands(name: str) -> None:
    made = Network(0, ops=0)
    source, out = made.tensor((1, 5, 6, 10)), made.tensor((1, 5, 6, 10))
    shape, axis = ((10, 3, 3, 10), 0) if name == "CONV_2D" else ((1, 3, 3, 10), 3)
    kind = options("Conv2D" if name == "CONV_2D" else "DepthwiseConv2D", strideH=1, strideW=1)
    node = Node(name, (source, made.weights(shape, axis), made.bias(10)), (out,), kind)
    compiled = compile_model(write_model([node], (source,), (out,)))
    (op,) = compiled.plan.ops
    assert isinstance(op, Conv) and op.patch is not None
    NativeModel(compiled.image()).close()
    small = replace(op, patch=View(Buffer("small", op.patch.buffer.size_bytes - 1)))
    plan = replace(compiled.plan, ops=(small,))
    with pytest.raises(ArtifactError, match="out of range"):
        NativeModel(replace(compiled, plan=plan, arena=lay_out(plan)).image())


def test_scratch_of_many_channels_stops_growing() -> None:
    sizes = [depthwise_patch_bytes(Window(1, 5, 5, c, 5, 5, c, 3, 3, 1, 1, groups=c)) for c in (32, 33, 640)]
    assert sizes == [8 * 9 + 32 + 8 * (8 * 9 + 64)] * 3
