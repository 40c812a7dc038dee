"""Every repair by its name in a recipe."""

from __future__ import annotations

from collections.abc import Callable

from edgeq.finding import Finding
from edgeq.quantize.engine.statistics import Statistics
from edgeq.quantize.recipe import ALONE, Recipe
from edgeq.quantize.repair.binary import binary
from edgeq.quantize.repair.clip_weights import clip_weights
from edgeq.quantize.repair.correct_biases import correct_biases
from edgeq.quantize.repair.equalize import equalize
from edgeq.quantize.repair.equalize_activations import equalize_activations
from edgeq.quantize.repair.round_weights import round_weights
from edgeq.quantize.repair.ternary import ternary
from edgeq.quantize.repair.work import Repair, Work

SCALING: dict[str, Callable[[bytes, Statistics], bytes]] = {
    "equalize": lambda model, _: equalize(model),
    "equalize-activations": equalize_activations,
}
"""Repairs that scale channels: they come before the ranges are known, and what the model computes stays."""

WEIGHTS: dict[str, Repair] = {
    "ternary": ternary,
    "binary": binary,
    "clip-weights": clip_weights,
    "round-weights": round_weights,
    "correct-biases": correct_biases,
}
"""Repairs of weights and biases, for given ranges."""


def scaling(recipe: Recipe) -> tuple[str, ...]:
    """The repairs of `recipe` that scale channels, in order."""
    return tuple(name for name in SCALING if name in recipe.repairs)


def repaired(work: Work) -> Work:
    """`work` after the repairs of its recipe that change weights, in order."""
    for name, repair in WEIGHTS.items():
        if name in work.recipe.repairs:
            work = repair(work)
    return work


def experiments(recipe: Recipe) -> list[Finding]:
    """What a user should know about a recipe with an experiment in it."""
    return [
        Finding(
            "experimental-weights",
            "info",
            f"The {name} weights are stored and run as int8: no runtime here is faster with them.",
            "They compress well; compare the accuracy before you ship them.",
            1,
            0,
        )
        for name in ALONE
        if name in recipe.repairs
    ]
