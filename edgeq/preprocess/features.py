"""The steps from a spectrum to features, and those of every input: mel, log, pcen, mfcc, scale, clip.

float64 in and out, [time, values]; `stack` is in `windows.py`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Slaney's scale: linear up to 1000 Hz, 3 mel each 200 Hz; then 27 mel each factor of 6.4.
_SLANEY_HZ, _SLANEY_MEL, _SLANEY_STEP = 1000.0, 15.0, 0.06875177742094912  # log(6.4) / 27


def mel_of(hz: Array, scale: str) -> Array:
    """Frequencies on the mel scale."""
    import numpy as np

    if scale == "htk":
        return 1127.0 * np.log1p(hz / 700.0)
    above = _SLANEY_MEL + np.log(np.maximum(hz, _SLANEY_HZ) / _SLANEY_HZ) / _SLANEY_STEP
    return np.where(hz < _SLANEY_HZ, hz * 3.0 / 200.0, above)


def hz_of(mel: Array, scale: str) -> Array:
    """The way back from `mel_of`."""
    import numpy as np

    if scale == "htk":
        return 700.0 * np.expm1(mel / 1127.0)
    above = _SLANEY_HZ * np.exp((np.maximum(mel, _SLANEY_MEL) - _SLANEY_MEL) * _SLANEY_STEP)
    return np.where(mel < _SLANEY_MEL, mel * 200.0 / 3.0, above)


@lru_cache(maxsize=32)
def mel_table(
    bins: int, low_hz: float, high_hz: float, scale: str, norm: str, slopes: str, rate_hz: int, fft: int
) -> Array:
    """Weights [fft / 2 + 1, bins] of overlapping triangles, equally spaced on the mel scale."""
    import numpy as np

    hz = np.arange(fft // 2 + 1) * (rate_hz / fft)
    ends = mel_of(np.array([low_hz, high_hz]), scale)
    corners = np.linspace(ends[0], ends[1], bins + 2)
    corners_hz = hz_of(corners, scale)
    at, edges = (mel_of(hz, scale), corners) if slopes == "mel" else (hz, corners_hz)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (at[:, None] - low) / (middle - low)
    falling = (high - at[:, None]) / (high - middle)
    weights: Array = np.maximum(0.0, np.minimum(rising, falling))
    return weights * (2.0 / (corners_hz[2:] - corners_hz[:-2])) if norm == "slaney" else weights


def mel(values: Mapping[str, Any], spectrum: Array, rate_hz: int, fft: int) -> Array:
    """[time, bins]: the spectrum in mel bands."""
    keys = ("bins", "low_hz", "high_hz", "scale", "norm", "slopes")
    found: Array = spectrum @ mel_table(*(values[key] for key in keys), rate_hz, fft)
    return found


def log(values: Mapping[str, Any], x: Array) -> Array:
    """multiply * log(max(x, floor) + offset)."""
    import numpy as np

    logarithm = {"e": np.log, "10": np.log10, "2": np.log2}[values["base"]]
    found: Array = values["multiply"] * logarithm(np.maximum(x, values["floor"]) + values["offset"])
    return found


class Pcen:
    """Per-channel energy normalization: each band over its own running mean, then a root."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._mean: Any = None if values["start"] == "first" else 1.0

    def __call__(self, rows: Array, _last: bool) -> Array:
        import numpy as np

        v = self._values
        means = np.empty_like(rows)
        for time, row in enumerate(rows):
            before = row if self._mean is None else self._mean
            self._mean = (1.0 - v["smoothing"]) * before + v["smoothing"] * row
            means[time] = self._mean
        found: Array = (rows / (v["eps"] + means) ** v["gain"] + v["bias"]) ** v["power"] - v["bias"] ** v["power"]
        return found


@lru_cache(maxsize=32)
def dct_table(bins: int, count: int, norm: str) -> Array:
    """[bins, count]: the cosine transform (type II) that makes MFCCs."""
    import numpy as np

    angle = np.pi / bins * (np.arange(bins)[:, None] + 0.5) * np.arange(count)
    table: Array = np.cos(angle) * np.sqrt(2.0 / bins)
    if norm == "ortho":
        table[:, 0] /= np.sqrt(2.0)
    return table


def mfcc(values: Mapping[str, Any], bands: Array) -> Array:
    """[time, count]: the first cepstral coefficients of log mel bands."""
    found: Array = bands @ dct_table(bands.shape[1], values["count"], values["norm"])
    return found


def scale(values: Mapping[str, Any], x: Array) -> Array:
    """x * multiply + add; a list holds a number for each place of the last axis."""
    import numpy as np

    found: Array = x * np.array(values["multiply"]) + np.array(values["add"])
    return found


def clip(values: Mapping[str, Any], x: Array) -> Array:
    """Held between low and high."""
    import numpy as np

    return np.clip(x, values["low"], values["high"])
