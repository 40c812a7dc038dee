"""Which recipes are worth a trial, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgeq.quantize.recipe import STATIC, Override, Ranging, Recipe, weight_bits
from edgeq.quantize.sensitivity import Layer
from edgeq.target import TargetProfile

SHARES = (0.1, 0.25, 0.5, 0.75)
"""How many of the layers, the most sensitive first, get more bits."""
RANGINGS = (Ranging(), Ranging("robust"), Ranging("extrapolated"), Ranging("mse"))

COARSE = (("equalize",), ("correct-biases",), ("equalize", "correct-biases"))
FINE = (
    *(("clip-weights", "correct-biases"), ("round-weights",), ("round-weights", "correct-biases")),
    ("equalize", "round-weights", "correct-biases"),
)
"""Sets of repairs for 8-bit weights, and for 4-bit ones."""


def plain(target: TargetProfile, io: str = "auto") -> Iterator[Recipe]:
    """Every mode that the target's runtime has, and the ways to find ranges where it needs any."""
    for mode in target.runtime.modes:
        offered = io if io in ("auto", "float32") or mode in STATIC else "auto"
        yield from (Recipe(mode, io=offered, ranges=how) for how in (RANGINGS if mode in STATIC else RANGINGS[:1]))


def mixed(base: Recipe, layers: Sequence[Layer], target: TargetProfile) -> Iterator[Recipe]:
    """`base` with more bits for the layers that need them most: 8-bit weights where it has 4, 16-bit activations where
    it has 8, as far as the target's runtime has them."""
    ranked = sorted(layers, key=lambda layer: (layer.alone_db, layer.pattern))
    for share in SHARES:
        chosen = ranked[: max(1, round(len(ranked) * share))]
        for mode in _wider(base.mode):
            if mode in target.runtime.modes:
                yield replace(base, overrides=tuple(Override(mode, tensor=layer.pattern) for layer in chosen))


def _wider(mode: str) -> Iterator[str]:
    if weight_bits(mode) == 4:
        yield mode.replace("_wi4_", "_wi8_")
    if mode == "static_wi8_ai8":
        yield "static_wi8_ai16"


def repaired(base: Recipe) -> Iterator[Recipe]:
    """`base` after each set of repairs that helps models of its kind."""
    sets = FINE if weight_bits(base.mode) == 4 else COARSE
    yield from (replace(base, repairs=repairs) for repairs in sets)
