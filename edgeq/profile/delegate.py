"""Which op of the model each op of a delegate stands for.

XNNPACK builds its own list: it runs a 1x1 convolution as a product, puts a clamp behind an addition and a reshape
before a product, and joins what it can. Its names and their order tell what became of each op; where they do not,
nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BEHIND = ("Clamp",)
"""Helpers that serve the op before them; others serve the one behind."""
HELPERS = (
    *(*BEHIND, "Static Reshape", "Static Expand Dims", "Fuse Dims", "Split Dims"),
    *("Copy", "Convert", "Constant Pad", "Transpose"),
)
TABLES = ("LOGISTIC", "HARD_SWISH", "TANH", "ELU", "EXP", "GELU", "LEAKY_RELU", "LOG", "ABS", "NEG", "RSQRT", "SQRT")
"""Functions that XNNPACK looks up in a table where they are of int8; it has no name for that."""
STANDS_FOR: Mapping[str, tuple[str, ...]] = {
    "Abs": ("ABS",),
    "Add": ("ADD",),
    "ApproxGELU": ("GELU",),
    "Average Pooling": ("AVERAGE_POOL_2D",),
    "Bankders Rounding": ("ROUND",),
    "Batch Matrix Multiply": ("BATCH_MATMUL",),
    "Ceiling": ("CEIL",),
    "Clamp": ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
    "Concatenate": ("CONCATENATION",),
    "Constant Pad": ("PAD", "PADV2"),
    "Convert": ("QUANTIZE", "DEQUANTIZE", "CAST"),
    "Convolution": ("CONV_2D", "DEPTHWISE_CONV_2D"),
    "Copy": ("CONCATENATION", "RESHAPE", "EXPAND_DIMS", "SQUEEZE"),
    "Cosine": ("COS",),
    "Deconvolution": ("TRANSPOSE_CONV",),
    "Depth To Space": ("DEPTH_TO_SPACE",),
    "Divide": ("DIV",),
    "Dynamic Fully Connected": ("FULLY_CONNECTED", "BATCH_MATMUL"),
    "ELU": ("ELU",),
    "Exp": ("EXP",),
    "Floor": ("FLOOR",),
    "Fully Connected": ("FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL"),
    "GELU": ("GELU",),
    "Global Average Pooling": ("AVERAGE_POOL_2D", "MEAN"),
    "HardSwish": ("HARD_SWISH",),
    "Invalid Unary Op": TABLES,
    "LeakyReLU": ("LEAKY_RELU",),
    "Log": ("LOG",),
    "Max Pooling": ("MAX_POOL_2D",),
    "Maximum": ("MAXIMUM",),
    "Mean": ("MEAN", "AVERAGE_POOL_2D"),
    "Minimum": ("MINIMUM",),
    "Multiply": ("MUL",),
    "Negate": ("NEG",),
    "PReLU": ("PRELU",),
    "Power": ("POW",),
    "Reciprocal Square Root": ("RSQRT",),
    "Reduce Max": ("REDUCE_MAX",),
    "Reduce Min": ("REDUCE_MIN",),
    "Resize Bilinear": ("RESIZE_BILINEAR",),
    "Sigmoid": ("LOGISTIC",),
    "Sine": ("SIN",),
    "Slice": ("SLICE", "STRIDED_SLICE"),
    "Softmax": ("SOFTMAX",),
    "Space To Depth": ("SPACE_TO_DEPTH",),
    "Split": ("SPLIT",),
    "Square": ("SQUARE",),
    "Square Root": ("SQRT",),
    "Squared Difference": ("SQUARED_DIFFERENCE",),
    "Static Expand Dims": ("EXPAND_DIMS",),
    "Static Reshape": ("RESHAPE", "EXPAND_DIMS", "SQUEEZE"),
    "Subtract": ("SUB",),
    "Sum": ("SUM",),
    "TanH": ("TANH",),
    "Transpose": ("TRANSPOSE",),
}
"""What an op of XNNPACK, named up to its bracket, may be in the model."""


@dataclass(frozen=True)
class Wanted:
    """An op of the model that the delegate took; `weighs` says that its work is a product, which no other op can do in
    passing."""

    index: int
    op: str
    weighs: bool


def assign(names: Sequence[str], wanted: Sequence[Wanted]) -> list[int | None]:
    """For each op of the delegate the index of the model's; all None where the two lists do not fit together."""
    kinds = [_kind(name) for name in names]
    pairs = _longest(kinds, wanted)
    found: list[int | None] = [pairs.get(place) for place in range(len(kinds))]
    missed = {item.index for item in wanted if item.weighs} - set(pairs.values())
    strange = any(index is None and kind not in HELPERS for kind, index in zip(kinds, found, strict=True))
    if missed or strange:
        return [None] * len(kinds)
    return [index if index is not None else _served(kinds, found, at) for at, index in enumerate(found)]


def _kind(name: str) -> str:
    return name.partition(" (")[0].strip()


def _served(kinds: Sequence[str], found: Sequence[int | None], at: int) -> int | None:
    """The op that a helper works for: the nearest matched one on its side, else on the other."""
    before = next((index for index in reversed(found[:at]) if index is not None), None)
    behind = next((index for index in found[at + 1 :] if index is not None), None)
    first, second = (before, behind) if kinds[at] in BEHIND else (behind, before)
    return first if first is not None else second


def _longest(kinds: Sequence[str], wanted: Sequence[Wanted]) -> dict[int, int]:
    """The longest match of both lists that keeps their order, products first of all; early ops of the delegate are
    preferred. Place in `kinds` -> index."""
    best = [[0] * (len(wanted) + 1) for _ in range(len(kinds) + 1)]
    for at in reversed(range(len(kinds))):
        for to in reversed(range(len(wanted))):
            best[at][to] = max(best[at + 1][to], best[at][to + 1])
            if wanted[to].op in STANDS_FOR.get(kinds[at], ()):
                best[at][to] = max(best[at][to], best[at + 1][to + 1] + _worth(wanted[to]))
    pairs, at, to = dict[int, int](), 0, 0
    while at < len(kinds) and to < len(wanted):
        fits = wanted[to].op in STANDS_FOR.get(kinds[at], ())
        if fits and best[at][to] == best[at + 1][to + 1] + _worth(wanted[to]):
            pairs[at] = wanted[to].index
            at, to = at + 1, to + 1
        elif best[at][to] == best[at + 1][to]:
            at += 1
        else:
            to += 1
    return pairs


def _worth(item: Wanted) -> int:
    return 1000 if item.weighs else 1
