"""What happens to clips: int16 [n]. Levels are edgeq's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.evaluate.corrupt.corruption import Corruption
from edgeq.preprocess import Raw


def _noise(raw: Raw, snr_db: float, random: np.random.Generator) -> Raw:
    """White noise, so many dB below the clip's own power; silence stays silence."""
    clip = raw.array.astype(np.float64)
    rms = np.sqrt((clip**2).mean()) * 10 ** (-snr_db / 20)
    return _clip(raw, clip + random.normal(size=clip.shape) * rms)


def _shift(raw: Raw, share: float, random: np.random.Generator) -> Raw:
    """Earlier or later by a share of the clip, silence behind or before."""
    by = round(share * len(raw.array))
    later = bool(random.integers(2))
    found = np.zeros_like(raw.array)
    if later:
        found[by:] = raw.array[: len(raw.array) - by]
    else:
        found[: len(raw.array) - by] = raw.array[by:]
    return replace(raw, array=found)


def _gain(raw: Raw, gain_db: float, _: np.random.Generator) -> Raw:
    return _clip(raw, raw.array * 10 ** (gain_db / 20))


def _clip(raw: Raw, values: NDArray[Any]) -> Raw:
    return replace(raw, array=np.rint(np.clip(values, -(1 << 15), (1 << 15) - 1)).astype(np.int16))


AUDIO = (
    Corruption("noise", "signal over noise in dB", (20, 15, 10, 5, 0), _noise),
    Corruption("shift", "share of the clip", (0.04, 0.08, 0.12, 0.16, 0.2), _shift),
    Corruption("gain", "dB", (-6, -12, -18, -24, -30), _gain),
    Corruption("clipping", "dB", (3, 6, 9, 12, 15), _gain),
)
