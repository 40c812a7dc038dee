"""What a training is asked to do, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgeq.errors import UsageError
from edgeq.model.info import ModelInfo
from edgeq.quantize.detect import weights
from edgeq.quantize.recipe import Override, Recipe
from edgeq.quantize.sensitivity import pattern_of

BITS = (8, 4)
AUGMENTATIONS = ("auto", "none", "mix", "image")
RATES = {8: 2e-4, 4: 1e-3}
"""Steps of weights, as shares of the largest of their channel."""


@dataclass(frozen=True)
class Settings:
    """`minutes`: no longer than that (0: no limit); `learning_rate` 0 is `RATES`' own; `held_back`: the share of the
    samples that training never sees; `mixed`: with 4 bits the first and the last layer keep 8."""

    bits: int = 8
    epochs: int = 20
    minutes: float = 0.0
    learning_rate: float = 0.0
    batch: int = 32
    seed: int = 0
    held_back: float = 0.2
    augment: str = "auto"
    mixed: bool = True

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise UsageError(f"Weights of {self.bits} bits are not known.", "Use --bits 8 or --bits 4.")
        if self.augment not in AUGMENTATIONS:
            raise UsageError(f"There is no augmentation '{self.augment}'.", f"Use one of {', '.join(AUGMENTATIONS)}.")
        for name, least, most in _LIMITS:
            if not least <= getattr(self, name) <= most:
                raise UsageError(
                    f"'{name.replace('_', ' ')}' is {getattr(self, name):g}.",
                    f"It lies between {least:g} and {most:g}.",
                )

    @property
    def rate(self) -> float:
        """The learning rate at the beginning."""
        return self.learning_rate or RATES[self.bits]

    def to_json(self) -> dict[str, Any]:
        """All of it; the reverse of `from_json`."""
        return asdict(self)

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Settings:
        """The reverse of `to_json`."""
        return replace(Settings(), **told)


_LIMITS = (
    ("epochs", 1, 100_000),
    ("minutes", 0, 100_000),
    ("learning_rate", 0, 1),
    ("batch", 1, 4096),
    ("held_back", 0.02, 0.8),
)


def recipe_for(info: ModelInfo, bits: int, mixed: bool = True) -> Recipe:
    """int8 throughout; with 4 bits the weights of all layers but the first and the last, which cost little and lose
    most. Depthwise convolutions have no 4-bit form and stay int8."""
    if bits == 8:
        return Recipe()
    graph = info.subgraphs[0]
    layers = [operator for operator in graph.operators if weights(graph, operator)]
    ends = dict.fromkeys(pattern_of(graph, layers[place]) for place in (0, -1)) if mixed and len(layers) > 2 else {}
    return Recipe("static_wi4_ai8", overrides=tuple(Override("static_wi8_ai8", tensor=pattern) for pattern in ends))
