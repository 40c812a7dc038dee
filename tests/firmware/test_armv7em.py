"""The kernels for Armv7E-M on the emulated Cortex-M4, against TFLM's bytes; and the portable ones there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import board
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.records import Conv, Dense, Depthwise, Op

sys.path.append(str(Path(__file__).resolve().parents[1] / "micro"))
oracles = pytest.importorskip("oracles", reason="TFLM's wheel is not installed (pip install --pre tflite-micro)")

import single_ops  # noqa: E402 (the folder is not on the path before)
from draws import Case  # noqa: E402
from flat import Op as Node  # noqa: E402
from flat import options, padding, write_model  # noqa: E402
from networks import Network  # noqa: E402

MISSING = board.missing_tools()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
SINGLE = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
EXAMPLES, NETWORKS, WIDE, DENSE = 100, 30, 12, 32

Steps = list[list[np.ndarray]]  # type: ignore[type-arg]


def single(name: str) -> Iterator[tuple[bytes, Steps]]:
    """Models of one operator, always the same ones."""
    found: list[Case] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(single_ops.cases(name))
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return ((case.model, [list(step) for step in case.inputs]) for case in found)


def network(seed: int) -> tuple[bytes, Steps]:
    """Operators beside and behind each other."""
    made = Network(seed)
    return made.model, [[made.rng.integers(-128, 128, item.shape).astype(np.int8) for item in made.inputs]]


def wide(seed: int) -> tuple[bytes, Steps]:
    """More channels than a kernel takes at once: depthwise, convolution, and a sum with an earlier result."""
    made = Network(seed, ops=0)
    channels, size, hole = int(made.rng.integers(33, 75)), int(made.rng.integers(1, 8)), 1 + seed % 2
    channels -= channels % 4 if seed % 3 else 0
    source, first, second, third, out = (made.tensor((1, size, size + 1, channels)) for _ in range(5))
    same = options("Conv2D", padding=padding("SAME"), strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=hole)
    apart = options("DepthwiseConv2D", padding=padding("SAME"), strideH=1, strideW=1, depthMultiplier=1)
    taps = [made.weights((1, 3, int(made.rng.integers(1, 5)), channels), 3) for _ in range(2)]
    filters = made.weights((channels, 1, 1 + seed % 4, channels), 0)
    nodes = [
        Node("DEPTHWISE_CONV_2D", (source, taps[0], made.bias(channels)), (first,), apart),
        Node("DEPTHWISE_CONV_2D", (first, taps[1], made.bias(channels)), (second,), apart),
        Node("CONV_2D", (second, filters, made.bias(channels)), (third,), same),
        Node("ADD", (third, first), (out,), options("Add")),
    ]
    values = made.rng.integers(-128, 128, source.shape).astype(np.int8)
    return write_model(nodes, (source,), (out,)), [[values]]


def dense(seed: int) -> tuple[bytes, Steps]:
    """One row through a matrix whose sides have every remainder."""
    made = Network(seed, ops=0)
    source, out = made.tensor((1, 4 + seed % 4)), made.tensor((1, 1 + seed // 4))
    filters = made.weights((out.shape[1], source.shape[1]), 0)
    node = Node("FULLY_CONNECTED", (source, filters, made.bias(out.shape[1])), (out,), options("FullyConnected"))
    values = made.rng.integers(-128, 128, source.shape).astype(np.int8)
    return write_model([node], (source,), (out,)), [[values]]


@functools.cache
def sample() -> list[tuple[Compiled, board.Steps]]:
    """All of them as plans, with what TFLM answers."""
    models = [
        *(item for name in SINGLE for item in single(name)),
        *(network(seed) for seed in range(NETWORKS)),
        *(wide(seed) for seed in range(WIDE)),
        *(dense(seed) for seed in range(DENSE)),
    ]
    found = []
    for model, steps in models:
        answers = oracles.tflm(model, steps)
        raw = [(_raw(given), _raw(wanted)) for given, wanted in zip(steps, answers, strict=True)]
        found.append((compile_model(model), raw))
    return found


def _raw(arrays: Sequence[np.ndarray]) -> list[bytes]:  # type: ignore[type-arg]
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("isa", ["armv7e-m", "portable"])
def test_the_bytes_on_the_board_are_tflms(isa: str, tmp_path: Path) -> None:
    program = board.build(tmp_path, f"ISA={isa}")
    told = board.run(program, [(compiled.image(), steps) for compiled, steps in sample()])
    wrong = [
        (item, [op.name for op in compiled.plan.ops])
        for item, (compiled, _) in zip(told, sample(), strict=True)
        if item.status or item.wrong
    ]
    assert not wrong, f"{len(wrong)} of {len(told)}: {wrong[:5]}"


def in_place(op: Op, compiled: Compiled) -> bool:
    """Whether a residual is where the result goes."""
    if not isinstance(op, Conv) or op.residual is None or op.residual.buffer.data is not None:
        return False
    places = [compiled.arena.offsets[view.buffer] + view.offset for view in (op.residual, op.out)]
    return places[0] == places[1]


CONVOLUTIONS: dict[str, Callable[[Conv], bool]] = {
    "k % 4 is 1": lambda op: op.win.k_h * op.win.k_w * op.win.in_c // op.win.groups % 4 == 1,
    "k % 4 is 2": lambda op: op.win.k_h * op.win.k_w * op.win.in_c // op.win.groups % 4 == 2,
    "k % 4 is 3": lambda op: op.win.k_h * op.win.k_w * op.win.in_c // op.win.groups % 4 == 3,
    "whole words": lambda op: op.win.in_c % 4 == 0 and op.win.groups == 1 and op.win.k_w > 1,
    "odd channels": lambda op: op.win.out_c // op.win.groups % 2 == 1,
    "odd pixels": lambda op: op.win.batches * op.win.out_h * op.win.out_w % 2 == 1,
    "groups": lambda op: op.win.groups > 1,
    "whole words with holes": lambda op: op.win.in_c % 4 == 0 and op.win.k_w > 1 and op.win.dil_w > 1 < op.win.out_w,
    "many channels": lambda op: op.win.out_c > 32,
}
DEPTHWISE: dict[str, Callable[[Depthwise], bool]] = {
    "channels % 4 is 1": lambda op: op.win.out_c % 4 == 1,
    "channels % 4 is 2": lambda op: op.win.out_c % 4 == 2,
    "channels % 4 is 3": lambda op: op.win.out_c % 4 == 3,
    "odd taps": lambda op: op.win.k_h * op.win.k_w % 2 == 1,
    "even taps": lambda op: op.win.k_h * op.win.k_w % 2 == 0,
    "a multiplier": lambda op: op.win.out_c > op.win.in_c,
    "more than a block": lambda op: op.win.out_c > 32,
}
WINDOWS: dict[str, Callable[[Conv], bool]] = {
    "dilated rows": lambda op: op.win.dil_h > 1,
    "dilated columns": lambda op: op.win.dil_w > 1,
    "batches": lambda op: op.win.batches > 1,
    "stride 2": lambda op: op.win.stride_h == op.win.stride_w == 2,
    "padding above": lambda op: op.win.pad_top > 0,
    "padding left": lambda op: op.win.pad_left > 0,
    "padding below": lambda op: _reach(op, "h") > op.win.in_h,
    "padding right": lambda op: _reach(op, "w") > op.win.in_w,
    "a clamp": lambda op: op.act != (-128, 127),
}


def _reach(op: Conv, side: str) -> int:
    out, stride, k, dil, pad = (
        getattr(op.win, name) for name in (f"out_{side}", f"stride_{side}", f"k_{side}", f"dil_{side}", _PADS[side])
    )
    return int((out - 1) * stride + (k - 1) * dil + 1 - pad)


_PADS = {"h": "pad_top", "w": "pad_left"}


def test_the_sample_has_every_tail() -> None:
    ops = [(op, compiled) for compiled, _ in sample() for op in compiled.plan.ops]
    convs = [op for op, _ in ops if type(op) is Conv]
    depthwise = [op for op, _ in ops if isinstance(op, Depthwise)]
    dense = [op for op, _ in ops if isinstance(op, Dense)]
    missing = [name for name, has in {**CONVOLUTIONS, **WINDOWS}.items() if not any(map(has, convs))]
    missing += [name for name, has in {**DEPTHWISE, **WINDOWS}.items() if not any(map(has, depthwise))]
    assert not missing
    assert {op.in_c % 4 for op in dense} == {op.out_c % 4 for op in dense} == set(range(4))
    assert {in_place(op, compiled) for op, compiled in ops if isinstance(op, Conv) and op.residual} == {True, False}
