"""Which recipes are worth a trial, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgeq.quantize.recipe import STATIC, Override, Ranging, Recipe, activations, weight_bits
from edgeq.quantize.repair.mixed import FOUR_BITS
from edgeq.quantize.sensitivity import WIDE, Layer
from edgeq.target import TargetProfile

SHARES = (0.1, 0.25, 0.5, 0.75)
"""How many of the layers, the most sensitive first, get 16-bit activations."""
RANGINGS = (Ranging(), Ranging("robust"), Ranging("extrapolated"), Ranging("mse"))

COARSE = (("equalize",), ("correct-biases",), ("equalize", "correct-biases"))
FINE = (("clip-weights", "correct-biases"), ("round-weights", "correct-biases"), FOUR_BITS)
"""Sets of repairs for 8-bit weights, and for 4-bit ones."""


def plain(target: TargetProfile, io: str = "auto") -> Iterator[Recipe]:
    """Every mode that the target's runtime has with inputs and outputs of the type `io`, and the ways to find ranges
    where it needs any."""
    for mode in target.runtime.modes:
        if io in ("auto", "float32") or (mode in STATIC and activations(mode) == io):
            yield from (Recipe(mode, io=io, ranges=how) for how in (RANGINGS if mode in STATIC else RANGINGS[:1]))


def widens(base: Recipe, target: TargetProfile) -> bool:
    """Whether layers of `base` can get 16-bit activations on the target."""
    return base.mode == "static_wi8_ai8" and WIDE in target.runtime.modes


def narrows(base: Recipe, bases: Sequence[Recipe], target: TargetProfile) -> bool:
    """Whether layers of `base` can get 4-bit weights there (`edgeq.quantize.repair.mixed`). With 16-bit activations
    only where 4 bits throughout are among the `bases`: else the weights' noise drowns what these gain."""
    four = base.mode.replace("_wi8_", "_wi4_")
    followed = base.activations == "int8" or any(each.mode == four for each in bases)
    return weight_bits(base.mode) == 8 and four in target.runtime.modes and followed


def wider(base: Recipe, layers: Sequence[Layer]) -> Iterator[Recipe]:
    """`base` with 16-bit activations for the layers that need them most."""
    ranked = sorted(layers, key=lambda layer: (layer.alone_db, layer.pattern))
    for share in SHARES:
        chosen = ranked[: max(1, round(len(ranked) * share))]
        if chosen:
            yield replace(base, overrides=tuple(Override(WIDE, tensor=layer.pattern) for layer in chosen))


def repaired(base: Recipe) -> Iterator[Recipe]:
    """`base` after each set of repairs that helps models of its kind."""
    sets = FINE if weight_bits(base.mode) == 4 else COARSE
    yield from (replace(base, repairs=repairs) for repairs in sets)
