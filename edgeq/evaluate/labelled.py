"""Samples with what is true of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.samples import Samples


@dataclass(frozen=True)
class Labelled:
    """Samples with the class number of each. `sha256` is that of the content; `title` is for people."""

    samples: Samples
    labels: NDArray[np.int64]
    sha256: str
    title: str = "the data"

    def __len__(self) -> int:
        return len(self.labels)
