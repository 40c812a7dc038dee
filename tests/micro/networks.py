"""Random networks: graphs of many operators with branches, joins and shared tensors, drawn from a seed."""

from __future__ import annotations

import numpy as np
from flat import Op, Tensor, activation, options, padding, write_model

SCALES = ((0.05, 3), (0.05, 3), (0.02, -20), (0.11, 100))
LARGEST = 6_000


class Network:
    """Grows by one operator at a time; `model` is the file, `inputs` its inputs."""

    def __init__(self, seed: int, ops: int = 12, more: bool = False) -> None:
        """`more` operators: those that a plan makes of several records, or of parts of tensors."""
        self.rng, self.more = np.random.default_rng(seed), more
        self.ops: list[Op] = []
        shape = (1, int(self.rng.integers(3, 11)), int(self.rng.integers(3, 11)), int(self.rng.integers(1, 9)))
        self.inputs = [self.tensor(shape)]
        self.found = list(self.inputs)
        while len(self.ops) < ops:
            self.grow()
        read = {item for op in self.ops for item in op.inputs}
        self.outputs = [item for item in self.found if item not in read][-3:] or [self.found[-1]]
        self.model = write_model(self.ops, self.inputs, self.outputs)

    def tensor(self, shape: tuple[int, ...], like: Tensor | None = None) -> Tensor:
        if like is not None:
            return like.like(shape)
        scale, zero_point = SCALES[self.rng.integers(len(SCALES))]
        return Tensor(shape, scales=(scale,), zero_point=zero_point)

    def grow(self) -> None:
        kinds = (self.conv, self.conv, self.depthwise, self.pool, self.binary, self.binary, self.join, self.relu)
        kinds = (*kinds, self.pad, self.cut, self.swap, self.part, self.table, self.scale)
        if self.more:
            kinds = (*kinds, self.first, self.first, self.extreme, self.widen, self.deconv, self.leak, self.largest)
        kind = kinds[self.rng.integers(len(kinds))]
        source = self.found[self.rng.integers(max(0, len(self.found) - 4), len(self.found))]
        made = kind(source)
        if made is not None and np.prod(made[0].outputs[0].shape) <= LARGEST:
            self.ops += made
            self.found += [item for op in made for item in op.outputs]

    def weights(self, shape: tuple[int, ...], axis: int) -> Tensor:
        scales = tuple(float(value) for value in self.rng.uniform(0.002, 0.02, shape[axis]))
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        return Tensor(shape, scales=scales, axis=axis, data=data)

    def bias(self, count: int) -> Tensor:
        return Tensor((count,), "int32", data=self.rng.integers(-2000, 2000, count).astype(np.int32))

    def window(self, source: Tensor) -> tuple[int, int, int, int, str, tuple[int, int]]:
        k_h, k_w = (int(self.rng.integers(1, min(4, size) + 1)) for size in source.shape[1:3])
        stride, pad = int(self.rng.integers(1, 3)), ("SAME", "VALID")[self.rng.integers(2)]
        sizes = [
            -(-size // stride) if pad == "SAME" else (size - k) // stride + 1
            for size, k in zip(source.shape[1:3], (k_h, k_w), strict=True)
        ]
        return k_h, k_w, stride, stride, pad, (sizes[0], sizes[1])

    def fused(self) -> int:
        return activation(("NONE", "NONE", "RELU", "RELU6")[self.rng.integers(4)])

    def conv(self, source: Tensor) -> list[Op]:
        k_h, k_w, s_h, s_w, pad, size = self.window(source)
        in_c = source.shape[3]
        groups = (
            int(self.rng.choice([g for g in range(1, in_c + 1) if in_c % g == 0])) if self.rng.integers(4) == 0 else 1
        )
        out_c = groups * int(self.rng.integers(1, 6))
        filters = self.weights((out_c, k_h, k_w, in_c // groups), 0)
        made = options("Conv2D", padding=padding(pad), strideH=s_h, strideW=s_w, fusedActivationFunction=self.fused())
        out = self.tensor((1, *size, out_c))
        return [Op("CONV_2D", (source, filters, self.bias(out_c)), (out,), made)]

    def depthwise(self, source: Tensor) -> list[Op]:
        k_h, k_w, s_h, s_w, pad, size = self.window(source)
        times = int(self.rng.integers(1, 3))
        out_c = source.shape[3] * times
        made = options(
            "DepthwiseConv2D", padding=padding(pad), strideH=s_h, strideW=s_w, depthMultiplier=times,
            fusedActivationFunction=self.fused(),
        )  # fmt: skip
        inputs = (source, self.weights((1, k_h, k_w, out_c), 3), self.bias(out_c))
        return [Op("DEPTHWISE_CONV_2D", inputs, (self.tensor((1, *size, out_c)),), made)]

    def pool(self, source: Tensor) -> list[Op]:
        k_h, k_w, s_h, s_w, pad, size = self.window(source)
        name = ("MAX_POOL_2D", "AVERAGE_POOL_2D")[self.rng.integers(2)]
        made = options("Pool2D", padding=padding(pad), strideH=s_h, strideW=s_w, filterHeight=k_h, filterWidth=k_w)
        return [Op(name, (source,), (self.tensor((1, *size, source.shape[3]), source),), made)]

    def binary(self, source: Tensor) -> list[Op] | None:
        """With another tensor of this shape: a convolution's, if there is none."""
        name = ("ADD", "SUB", "MUL")[self.rng.integers(3)]
        made = options(name.title(), fusedActivationFunction=self.fused())
        others = [item for item in self.found if item.shape == source.shape and item is not source]
        before: list[Op] = []
        if not others:
            same = options("Conv2D", padding=padding("SAME"), strideH=1, strideW=1)
            filters, out = self.weights((source.shape[3], 3, 3, source.shape[3]), 0), self.tensor(source.shape)
            before = [Op("CONV_2D", (source, filters, self.bias(source.shape[3])), (out,), same)]
            others = [out]
        pair = [source, others[self.rng.integers(len(others))]]
        self.rng.shuffle(pair)  # type: ignore[arg-type]
        return [*before, Op(name, tuple(pair), (self.tensor(source.shape),), made)]

    def join(self, source: Tensor) -> list[Op]:
        alike = [item for item in self.found if item.shape[:3] == source.shape[:3] and self.alike(item, source)]
        parts = [source, *alike][: int(self.rng.integers(1, 4))]
        shape = (*source.shape[:3], sum(item.shape[3] for item in parts))
        return [Op("CONCATENATION", tuple(parts), (source.like(shape),), options("Concatenation", axis=3))]

    @staticmethod
    def alike(a: Tensor, b: Tensor) -> bool:
        return (a.scales, a.zero_point) == (b.scales, b.zero_point)

    def relu(self, source: Tensor) -> list[Op]:
        like = source if self.rng.integers(2) else None
        return [Op("RELU", (source,), (self.tensor(source.shape, like),))]

    def pad(self, source: Tensor) -> list[Op]:
        amounts = np.zeros((4, 2), np.int32)
        amounts[1:3] = self.rng.integers(0, 3, (2, 2))
        if self.rng.integers(3) == 0:
            amounts[3] = self.rng.integers(0, 2, 2)
        shape = tuple(int(size + sum(pair)) for size, pair in zip(source.shape, amounts, strict=True))
        given = Tensor((4, 2), "int32", data=amounts)
        return [Op("PAD", (source, given), (source.like(shape),))]

    def cut(self, source: Tensor) -> list[Op]:
        ends = [int(self.rng.integers(1, size + 1)) for size in source.shape]
        begins = [int(self.rng.integers(0, end)) for end in ends]
        strides = [1, int(self.rng.integers(1, 3)), 1, 1]
        shape = tuple(-(-(end - begin) // step) for begin, end, step in zip(begins, ends, strides, strict=True))
        given = [Tensor((4,), "int32", data=np.array(values, np.int32)) for values in (begins, ends, strides)]
        return [Op("STRIDED_SLICE", (source, *given), (source.like(shape),), options("StridedSlice"))]

    def swap(self, source: Tensor) -> list[Op]:
        order = [0, *(1 + self.rng.permutation(3))]
        given = Tensor((4,), "int32", data=np.array(order, np.int32))
        return [Op("TRANSPOSE", (source, given), (source.like([source.shape[i] for i in order]),))]

    def part(self, source: Tensor) -> list[Op] | None:
        axes = [axis for axis in (1, 2, 3) if source.shape[axis] % 2 == 0]
        if not axes:
            return None
        axis = int(self.rng.choice(axes))
        shape = tuple(size // 2 if place == axis else size for place, size in enumerate(source.shape))
        given = Tensor((), "int32", data=np.array(axis, np.int32))
        return [Op("SPLIT", (given, source), (source.like(shape), source.like(shape)), options("Split", numSplits=2))]

    def table(self, source: Tensor) -> list[Op]:
        name, scale, zero_point = (("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0))[self.rng.integers(2)]
        return [Op(name, (source,), (Tensor(source.shape, scales=(scale,), zero_point=zero_point),))]

    def scale(self, source: Tensor) -> list[Op]:
        return [Op("QUANTIZE", (source,), (self.tensor(source.shape),))]

    def first(self, source: Tensor) -> list[Op] | None:
        """The first rows, or the rest: a view."""
        rows = source.shape[1]
        if rows < 2:
            return None
        begin = int(self.rng.integers(2))
        shape = (1, rows // 2, *source.shape[2:])
        given = [Tensor((4,), "int32", data=np.array(values, np.int32)) for values in ((0, begin, 0, 0), shape)]
        return [Op("SLICE", (source, *given), (source.like(shape),))]

    def extreme(self, source: Tensor) -> list[Op]:
        name = ("MAXIMUM", "MINIMUM")[self.rng.integers(2)]
        others = [item for item in self.found if item.shape == source.shape and self.alike(item, source)]
        return [Op(name, (source, others[self.rng.integers(len(others))]), (source.like(source.shape),))]

    def widen(self, source: Tensor) -> list[Op]:
        size = (source.shape[1] * 2, source.shape[2] * int(self.rng.integers(1, 3)))
        given = Tensor((2,), "int32", data=np.array(size, np.int32))
        out = source.like((1, *size, source.shape[3]))
        return [Op("RESIZE_NEAREST_NEIGHBOR", (source, given), (out,), options("ResizeNearestNeighbor"))]

    def deconv(self, source: Tensor) -> list[Op]:
        _, height, width, in_c = source.shape
        k, step, out_c = int(self.rng.integers(1, 4)), int(self.rng.integers(1, 3)), int(self.rng.integers(1, 5))
        out = self.tensor((1, height * step, width * step, out_c))
        given = Tensor((4,), "int32", data=np.array(out.shape, np.int32))
        made = options("TransposeConv", padding=padding("SAME"), strideH=step, strideW=step)
        return [
            Op("TRANSPOSE_CONV", (given, self.weights((out_c, k, k, in_c), 0), source, self.bias(out_c)), (out,), made)
        ]

    def leak(self, source: Tensor) -> list[Op]:
        return [Op("LEAKY_RELU", (source,), (self.tensor(source.shape),), options("LeakyRelu", alpha=0.2))]

    def largest(self, source: Tensor) -> list[Op]:
        """Along height, and put beside what was there."""
        given = Tensor((1,), "int32", data=np.array([1], np.int32))
        out = source.like((1, 1, *source.shape[2:]))
        joined = source.like((1, 1 + source.shape[1], *source.shape[2:]))
        return [
            Op("REDUCE_MAX", (source, given), (out,), options("Reducer", keepDims=True)),
            Op("CONCATENATION", (source, out), (joined,), options("Concatenation", axis=1)),
        ]
