"""TFLM's audio front end in integers: window, 16-bit FFT, mel filters, noise reduction, PCAN, logarithm.

Every operation wraps where TFLM's C does, so that the result is its bytes (`pymicro-features` is the oracle). Works on
[time, ...] arrays at once, but for the noise estimate, which goes from frame to frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from edgeq.preprocess.micro_fft import real_fft
from edgeq.preprocess.micro_tables import (
    LOG_BITS,
    LOG_COEFFICIENT,
    LOG_SEGMENT_BITS,
    LOG_TABLE,
    NOISE_BITS,
    PCAN_BITS,
    SNR_BITS,
    WINDOW_BITS,
    MicroTables,
    tables,
)
from edgeq.preprocess.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]


class Micro:
    """int16 samples to uint16 [time, channels]; called as `micro(chunk, last)`."""

    def __init__(self, values: Mapping[str, Any], rate_hz: int) -> None:
        import numpy as np

        self._values = values
        self._tables = tables(values, rate_hz)
        self._windows = Windows(self._tables.sizes.window, self._tables.sizes.step)
        self._estimate = np.zeros(values["channels"], np.uint32)

    def __call__(self, chunk: Array, last: bool) -> Array:
        import numpy as np

        v, t = self._values, self._tables
        signal = channels(t, self._windows(np.clip(np.rint(chunk), -32768, 32767).astype(np.int16), last))
        up = signal << np.uint32(v["smoothing_bits"])
        estimates = self._follow(up)
        floor = signal.astype(np.uint64) * np.uint64(t.least_signal) >> np.uint64(NOISE_BITS)
        signal = (up - np.minimum(estimates, up)) >> np.uint32(v["smoothing_bits"])
        signal = np.maximum(signal, floor.astype(np.uint32))
        if v["pcan"]:
            signal = pcan(t, signal, estimates)
        if v["log"]:
            signal = log_scale(signal, t.sizes.correction_bits, v["log_shift"])
        return np.minimum(signal, 0xFFFF).astype(np.uint16)

    def _follow(self, up: Array) -> Array:
        """The estimate of the noise after each frame, uint32 [time, channels]; it goes on in the next chunk."""
        import numpy as np

        smoothing = self._tables.smoothing.astype(np.uint64)
        kept = np.uint64(1 << NOISE_BITS) - smoothing
        found = np.empty_like(up)
        for time, part in enumerate(up * smoothing):
            self._estimate = ((part + self._estimate * kept) >> np.uint64(NOISE_BITS)).astype(np.uint32)
            found[time] = self._estimate
        return found


def channels(t: MicroTables, frames: Array) -> Array:
    """Filterbank amplitudes of windows of samples: int16 [time, window] to uint32 [time, channels]."""
    import numpy as np

    windowed = (frames.astype(np.int32) * t.window >> WINDOW_BITS).astype(np.int16)
    # -32768 has no positive: as in C it does not count as the largest.
    largest = np.max(np.where(windowed < 0, -windowed, windowed), axis=1, initial=0)
    shift = 15 - bit_length(largest.astype(np.uint32)).astype(np.int32)
    padded = np.zeros((len(frames), t.sizes.fft), np.int16)
    padded[:, : t.sizes.window] = windowed.astype(np.int32) << shift[:, None]
    real, imaginary = real_fft(t.twiddles, t.real_twiddles, padded)
    energy = (real.astype(np.int32) * real + imaginary.astype(np.int32) * imaginary).astype(np.int64)
    summed = (energy @ _dense(t)).view(np.uint64)
    return (rounded_root(summed) >> shift[:, None].astype(np.uint64)).astype(np.uint32)


@lru_cache(maxsize=16)
def _dense(t: MicroTables) -> Array:
    """int64 [fft / 2 + 1, channels]: a channel has the slope that rises to it and the next one, which falls from it."""
    import numpy as np

    slopes = len(t.starts)
    found = np.zeros((t.sizes.fft // 2 + 1, slopes - 1), np.int64)
    at = 0
    for slope in range(slopes):
        start, width = int(t.starts[slope]), int(t.widths[slope])
        if slope < slopes - 1:
            found[start : start + width, slope] += t.unweights[at : at + width]
        if slope > 0:
            found[start : start + width, slope - 1] += t.weights[at : at + width]
        at += width
    return found


def rounded_root(x: Array) -> Array:
    """TFLM's square root of uint64: rounded, but 0xFFFF at most below 2 ** 32."""
    import numpy as np

    one = np.uint64(1)
    most = np.uint64(0xFFFFFFFF)
    root = np.minimum(np.sqrt(x.astype(np.float64)), float(most)).astype(np.uint64)
    root = np.where(root * root > x, root - one, root)
    higher = np.minimum(root, most - one) + one
    root = np.where(higher * higher <= x, higher, root)
    last = np.where(x <= most, np.uint64(0xFFFF), most)
    return np.where((x - root * root > root) & (root != last), root + one, root)


def pcan(t: MicroTables, signal: Array, estimate: Array) -> Array:
    """Gain by the noise estimate, then shrunk: uint32 [channels]."""
    import numpy as np

    gain = wide_dynamic(t.gains, estimate).astype(np.uint32).astype(np.uint64)
    snr = (signal.astype(np.uint64) * gain >> np.uint64(t.snr_shift)).astype(np.uint32)
    low = snr * snr >> np.uint32(2 + 2 * SNR_BITS - PCAN_BITS)
    high = (snr >> np.uint32(SNR_BITS - PCAN_BITS)) - np.uint32(1 << PCAN_BITS)
    return np.where(snr < 2 << SNR_BITS, low, high)


def wide_dynamic(gains: Array, x: Array) -> Array:
    """int16 gain of uint32 `x`: within each octave a parabola."""
    import numpy as np

    interval = bit_length(x).astype(np.int64)
    at = np.where(x <= 2, 0, 4 * interval - 6)
    start, slope, bend = (gains[at + place].astype(np.int32) for place in range(3))
    shifted = np.where(
        interval < 11, x.astype(np.int64) << np.maximum(11 - interval, 0), x >> np.maximum(interval - 11, 0)
    )
    fraction = (shifted & 0x3FF).astype(np.int32)
    result = (bend * fraction >> 5) + (slope << 5)
    result = (result * fraction + (1 << 14) >> 15) + start
    return np.where(x <= 2, gains[np.minimum(x, 2)], result.astype(np.int16))


def log_scale(x: Array, correction_bits: int, log_shift: int) -> Array:
    """Natural logarithm of uint32 `x` times 2 ** correction_bits, scaled by 2 ** log_shift; uint32, 0 for 0 and 1."""
    import numpy as np

    x = x >> np.uint32(-correction_bits) if correction_bits < 0 else x << np.uint32(correction_bits)
    whole = np.maximum(bit_length(x).astype(np.int64) - 1, 0)
    fraction = x.astype(np.int64) - (np.int64(1) << whole)
    fraction = fraction << np.maximum(LOG_BITS - whole, 0) >> np.maximum(whole - LOG_BITS, 0)
    segment = np.clip(fraction >> (LOG_BITS - LOG_SEGMENT_BITS), 0, (1 << LOG_SEGMENT_BITS) - 1)
    table = np.array(LOG_TABLE)
    along = fraction - (segment << (LOG_BITS - LOG_SEGMENT_BITS))
    bend = (table[segment + 1] - table[segment]) * along >> LOG_BITS
    log2 = (whole << LOG_BITS) + fraction + table[segment] + bend
    half = 1 << (LOG_BITS - 1)
    natural = LOG_COEFFICIENT * log2 + half >> LOG_BITS
    scaled = ((natural << log_shift & 0xFFFFFFFF) + half & 0xFFFFFFFF) >> LOG_BITS
    return np.where(x > 1, scaled, 0).astype(np.uint32)


def bit_length(x: Array) -> Array:
    """How many bits unsigned numbers below 2 ** 53 take, 0 for 0."""
    import numpy as np

    return np.frexp(x.astype(np.float64))[1]
