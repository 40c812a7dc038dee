"""One raw input, as it comes from a sensor or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Raw:
    """One raw input; what it is follows from its type and shape.

    audio: int16 [n], mono, at `rate_hz`. image: uint8 [h, w, c], c 1 or 3 (RGB), 0..255.
    features: numbers of any shape.
    """

    array: NDArray[Any]
    rate_hz: int = 0

    @property
    def kind(self) -> str:
        """audio, image or features."""
        if self.rate_hz and self.array.ndim == 1:
            return "audio"
        if self.array.dtype == "uint8" and self.array.ndim == 3 and self.array.shape[2] in (1, 3):
            return "image"
        return "features"
