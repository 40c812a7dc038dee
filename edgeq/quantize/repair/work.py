"""What repairs work on and hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.engine.headroom import with_headroom
from edgeq.quantize.engine.ranges import Ranges
from edgeq.quantize.engine.statistics import Statistics
from edgeq.quantize.engine.writer import write
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.net import replaced
from edgeq.quantize.samples import Samples

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Work:
    """`model` computes what the given float model does. `constants` (by tensor) take the place of its own when it is
    written; `weights` are the largest magnitudes that weights are written for, by tensor. `statistics` and `ranges` are
    of `model`."""

    model: bytes
    samples: Samples
    recipe: Recipe
    statistics: Statistics
    ranges: Ranges
    weights: dict[str, Floats] = field(default_factory=dict)
    constants: dict[str, Floats] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None

    def written(self) -> bytes:
        """The quantized model as it stands."""
        model = replaced(self.model, self.constants)
        return write(model, self.recipe, with_headroom(self.ranges, model, self.recipe), self.weights)


Repair = Callable[[Work], Work]
