"""Strategies of MAXIMUM, MINIMUM and of reductions other than MEAN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from draws import Case, Draw, activations, case, constant, dequantize, f32, indexes, shapes, stateless, values
from flat import Op, Tensor, options
from hypothesis import strategies as st
from pointwise_ops import broadcast_shapes


@st.composite
def _reduction(draw: Draw, name: str, function: Callable[..., Any]) -> Case:
    """Over any axes, written with either sign. A sum has an output scale that holds it."""
    source = draw(activations(draw(shapes)))
    rank = len(source.shape)
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    signed = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    kept = draw(st.booleans())
    shape = [1 if axis in axes else size for axis, size in enumerate(source.shape) if kept or axis not in axes]
    out = source.like(shape)
    if name == "SUM":
        count = int(np.prod([source.shape[axis] for axis in axes]))
        out = Tensor(
            out.shape, "int8", (f32(source.scale * count * draw(st.floats(2.1, 6))),), draw(st.integers(-8, 8))
        )
    op = Op(name, (source, indexes(*signed)), (out,), options("Reducer", keepDims=kept))
    real = stateless(lambda x: function(x, axis=tuple(axes), keepdims=kept))
    return case(op, (source,), values(draw, source), real, f"axes={signed}")


reduce_max = _reduction("REDUCE_MAX", np.max)
reduce_min = _reduction("REDUCE_MIN", np.min)
total = _reduction("SUM", np.sum)


@st.composite
def _extreme(draw: Draw, name: str, function: Callable[..., Any]) -> Case:
    """Of two tensors of one quantization that broadcast; one may be a constant or one constant number."""
    a_shape, b_shape = draw(broadcast_shapes())
    first = draw(activations(a_shape))
    pair = [first, first.like(b_shape)]
    fixed = draw(st.sampled_from(("none", "tensor", "number")))
    if fixed == "number":
        pair[1] = first.like(draw(st.sampled_from(((), (1,)))))
    if fixed != "none":
        pair[1] = constant(draw, pair[1])
    if draw(st.booleans()):
        pair.reverse()
    out = first.like(np.broadcast_shapes(pair[0].shape, pair[1].shape))
    inputs = [tensor for tensor in pair if tensor.data is None]

    def real(*given: Any) -> Any:
        rest = list(given)
        return function(*(rest.pop(0) if t.data is None else dequantize(t, t.data) for t in pair))

    op = Op(name, pair, (out,), options("MaximumMinimum"))
    return case(op, inputs, values(draw, *inputs), stateless(real), fixed)


maximum = _extreme("MAXIMUM", np.maximum)
minimum = _extreme("MINIMUM", np.minimum)
