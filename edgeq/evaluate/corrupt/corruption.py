"""One way in which inputs get worse, in five severities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeq.preprocess import Raw

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """`levels` are the parameter at each severity, `small` those for pictures of up to `SMALL` pixels a side where they
    differ; they are from `source`. `apply(raw, level, random)` gives a raw input of the same type and shape."""

    name: str
    parameter: str
    levels: tuple[float, ...]
    apply: Callable[[Raw, float, np.random.Generator], Raw]
    small: tuple[float, ...] = ()
    source: str = ""

    def level(self, raw: Raw, severity: int) -> float:
        """The parameter for this input."""
        tiny = self.small and max(raw.array.shape[:2]) <= SMALL
        return (self.small if tiny else self.levels)[severity - 1]

    def corrupt(self, raw: Raw, severity: int, seed: tuple[int, ...]) -> Raw:
        """The same `seed` gives the same result."""
        return self.apply(raw, self.level(raw, severity), np.random.default_rng((*seed, severity, *self.name.encode())))


SMALL = 64
"""Up to so many pixels a side a picture is a small one, as those of CIFAR (32) and Tiny ImageNet (64)."""
