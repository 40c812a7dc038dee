"""The steps from samples to a spectrum: resample, pad, peak, preemphasis, window, spectrum (frame is in
`windows.py`).

Samples are float64 [n], frames [time, length]. What keeps something between chunks is a class, called as
`step(chunk, last)`: `last` says that nothing follows.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from edgeq.preprocess.raw import Raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

# The resampling filter: its zero crossings on each side, and its corner as a part of the lower rate's half.
RESAMPLE_ZEROS = 16
RESAMPLE_CORNER = 0.94
_BLOCK = 4096  # outputs at once, so that a long recording needs little memory


def resample_size(from_hz: int, to_hz: int) -> tuple[int, int]:
    """(phases, taps) of the filter between two rates."""
    return to_hz // math.gcd(from_hz, to_hz), 2 * math.ceil(RESAMPLE_ZEROS / min(1.0, to_hz / from_hz))


@lru_cache(maxsize=4)
def resample_table(from_hz: int, to_hz: int) -> Array:
    """Taps [phases, taps] of the windowed sinc; each phase sums to 1.

    Tap k of an output at input position i + phase / phases is for input sample i + k + 1 - taps / 2."""
    import numpy as np

    narrow = min(1.0, to_hz / from_hz)
    phases, count = resample_size(from_hz, to_hz)
    t = (np.arange(phases) / phases)[:, None] - (np.arange(count) + 1 - count // 2)
    inside = np.minimum(np.abs(t) * narrow / RESAMPLE_ZEROS, 1.0)
    taps = np.sinc(t * narrow * RESAMPLE_CORNER) * (0.5 + 0.5 * np.cos(np.pi * inside))
    table: Array = taps / taps.sum(axis=1, keepdims=True)
    return table


class Resample:
    """n samples at `from_hz` to ceil(n * to / from) at `to_hz`; silence lies before the first and after the last."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        import numpy as np

        self._table = resample_table(from_hz, to_hz)
        self._down = from_hz // math.gcd(from_hz, to_hz)
        self._half = self._table.shape[1] // 2
        # `_kept` begins at input sample `_start`; `_given` outputs have been made, `_taken` samples seen.
        self._kept, self._start = np.zeros(self._half - 1), 1 - self._half
        self._given = self._taken = 0

    def __call__(self, chunk: Array, last: bool) -> Array:
        import numpy as np

        phases, half = self._table.shape[0], self._half
        self._taken += len(chunk)
        self._kept = np.concatenate([self._kept, chunk, np.zeros(half if last else 0)])
        if last:
            until = -(-self._taken * phases // self._down)
        else:
            # Output m needs the samples up to m * down // phases + half.
            until = max(self._given, -(-(self._taken - half) * phases // self._down))
        found = np.empty(until - self._given)
        for begin in range(0, len(found), _BLOCK):
            position = np.arange(self._given + begin, min(self._given + begin + _BLOCK, until)) * self._down
            first = position // phases + 1 - half - self._start
            rows = self._kept[first[:, None] + np.arange(2 * half)]
            found[begin : begin + _BLOCK] = np.einsum("ij,ij->i", rows, self._table[position % phases])
        self._given = until
        done = until * self._down // phases + 1 - half - self._start
        if done > 0:
            self._kept, self._start = self._kept[done:], self._start + done
        return found


def at_rate(raw: Raw, rate_hz: int) -> Raw:
    """Audio as a microphone of `rate_hz` would have given it: resampled, rounded to int16. What has no rate, and all
    where `rate_hz` is 0, stays as it is."""
    import numpy as np

    if raw.rate_hz in (0, rate_hz) or not rate_hz:
        return raw
    samples = Resample(raw.rate_hz, rate_hz)(np.asarray(raw.array, np.float64), True)
    return Raw(np.clip(np.rint(samples), -32768, 32767).astype(np.int16), rate_hz)


def pad(values: Mapping[str, Any], samples: Array) -> Array:
    """Silence added, or samples cut, at one end."""
    import numpy as np

    wanted, short = values["samples"], values["samples"] - len(samples)
    if values["at"] == "end":
        return np.concatenate([samples, np.zeros(short)]) if short > 0 else samples[:wanted]
    return np.concatenate([np.zeros(short), samples]) if short > 0 else samples[-wanted:]


def peak(values: Mapping[str, Any], samples: Array) -> Array:
    """Divided by the clip's peak; a clip whose peak is not above 0 stays as it is."""
    import numpy as np

    highest = float(np.max(np.abs(samples) if values["of"] == "max_abs" else samples))
    return samples / highest if highest > 0 else samples


class Preemphasis:
    """y[n] = x[n] - coefficient * x[n - 1], with silence before the first sample."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._coefficient, self._before = values["coefficient"], 0.0

    def __call__(self, chunk: Array, _last: bool) -> Array:
        import numpy as np

        if not len(chunk):
            return chunk
        before = np.concatenate([[self._before], chunk[:-1]])
        self._before = float(chunk[-1])
        found: Array = chunk - self._coefficient * before
        return found


@lru_cache(maxsize=64)
def window_table(shape: str, length: int, periodic: bool) -> Array:
    """The window [length]."""
    import numpy as np

    if shape == "rectangular":
        return np.ones(length)
    cosine: Array = np.cos(2 * np.pi * np.arange(length) / (length if periodic else length - 1))
    if shape == "hamming":
        return 0.54 - 0.46 * cosine
    hann = 0.5 - 0.5 * cosine
    return np.maximum(hann, 0.0) ** 0.85 if shape == "povey" else hann


def window(values: Mapping[str, Any], frames: Array) -> Array:
    """Every frame times the window."""
    found: Array = frames * window_table(values["shape"], frames.shape[1], values["periodic"])
    return found


def spectrum(values: Mapping[str, Any], frames: Array) -> Array:
    """[time, fft / 2 + 1]: magnitude or power of the Fourier transform, frames padded with zeros at their end."""
    import numpy as np

    found = np.fft.rfft(frames, values["fft"])
    if values["of"] == "magnitude":
        return np.abs(found)
    return np.square(found.real) + np.square(found.imag)
