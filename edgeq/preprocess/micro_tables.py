"""The tables of TFLM's audio front end (`tensorflow/lite/experimental/microfrontend`), as a device gets them.

TFLM computes them with C's `float`: `cosf` and `powf` are taken here in double and rounded once, which is what today's
C libraries give; `log1pf` is in `micro_libm.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.micro_libm import log1p_f32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

WINDOW_BITS = 12
FILTER_BITS = 12
NOISE_BITS = 14
SNR_BITS = 12
PCAN_BITS = 6
LOG_BITS = 16
LOG_SEGMENT_BITS = 7
LOG_COEFFICIENT = 45426  # ln(2) in 16 fractional bits
_LARGEST_FFT = 4096
_INT16_MOST = 32767

# log2(1 + x) - x in 16 fractional bits, at x = i / 128: TFLM's `kLogLut`, without the padding after it.
LOG_TABLE = (
    *(0, 224, 442, 654, 861, 1063, 1259, 1450, 1636, 1817, 1992, 2163, 2329, 2490, 2646, 2797, 2944, 3087, 3224),
    *(3358, 3487, 3611, 3732, 3848, 3960, 4068, 4172, 4272, 4368, 4460, 4549, 4633, 4714, 4791, 4864, 4934, 5001),
    *(5063, 5123, 5178, 5231, 5280, 5326, 5368, 5408, 5444, 5477, 5507, 5533, 5557, 5578, 5595, 5610, 5622, 5631),
    *(5637, 5640, 5641, 5638, 5633, 5626, 5615, 5602, 5586, 5568, 5547, 5524, 5498, 5470, 5439, 5406, 5370, 5332),
    *(5291, 5249, 5203, 5156, 5106, 5054, 5000, 4944, 4885, 4825, 4762, 4697, 4630, 4561, 4490, 4416, 4341, 4264),
    *(4184, 4103, 4020, 3935, 3848, 3759, 3668, 3575, 3481, 3384, 3286, 3186, 3084, 2981, 2875, 2768, 2659, 2549),
    *(2437, 2323, 2207, 2090, 1971, 1851, 1729, 1605, 1480, 1353, 1224, 1094, 963, 830, 695, 559, 421, 282, 142, 0),
)


class Sizes(NamedTuple):
    """In samples; `correction_bits` is log2(fft) - 6."""

    window: int
    step: int
    fft: int
    correction_bits: int


@dataclass(frozen=True, eq=False)
class MicroTables:
    """Everything that the front end of one rate and set of parameters needs; arrays are read-only."""

    sizes: Sizes
    window: Array  # int16 [window]
    twiddles: Array  # int16 [fft / 2, 2]: the complex FFT's, (real, imaginary)
    real_twiddles: Array  # int16 [fft / 4, 2]: those that split it into the real FFT
    first_bin: int  # energies are computed from here on, before it they are not used
    starts: Array  # int32 [channels + 1]: the first bin of each slope
    widths: Array  # int32 [channels + 1]: how many bins it has, none included
    weights: Array  # int16 [sum of widths]: what a bin adds to channel i - 1, from which slope i falls
    unweights: Array  # int16 [sum of widths]: what it adds to channel i, to which slope i rises
    smoothing: Array  # uint32 [channels]: in 14 fractional bits
    least_signal: int  # in 14 fractional bits
    gains: Array  # int16 [125]: PCAN's; empty without PCAN
    snr_shift: int


def sizes(values: Mapping[str, Any], rate_hz: int) -> Sizes:
    """Lengths in samples. Raises PreprocessError where they are out of range."""
    window, step = values["window_ms"] * rate_hz // 1000, values["step_ms"] * rate_hz // 1000
    if window < 16 or not 1 <= step <= window:
        raise PreprocessError(
            f"{values['window_ms']} ms each {values['step_ms']} ms are {window} and {step} samples.",
            "Choose a window of 16 samples or more, and a step that is no longer than it.",
        )
    fft = 1 << (window - 1).bit_length()
    if fft > _LARGEST_FFT:
        raise PreprocessError(f"a window of {window} samples needs an FFT above {_LARGEST_FFT}.", "Lower window_ms.")
    found = Sizes(window, step, fft, fft.bit_length() - 1 - FILTER_BITS // 2)
    if values["pcan"]:
        _check_pcan(values, found.correction_bits)
    return found


def _check_pcan(values: Mapping[str, Any], correction_bits: int) -> None:
    if not 0 <= values["pcan_gain_bits"] - correction_bits - SNR_BITS < 32:
        raise PreprocessError(
            f"pcan_gain_bits is {values['pcan_gain_bits']}; this FFT needs {correction_bits + SNR_BITS} or more."
        )
    if values["smoothing_bits"] < correction_bits:
        raise PreprocessError(
            f"smoothing_bits is {values['smoothing_bits']}; this FFT needs {correction_bits} or more."
        )


def tables(values: Mapping[str, Any], rate_hz: int) -> MicroTables:
    """The tables for audio of `rate_hz`."""
    return _tables(tuple(values.items()), rate_hz)


@lru_cache(maxsize=16)
def _tables(items: tuple[tuple[str, Any], ...], rate_hz: int) -> MicroTables:
    import numpy as np

    values = dict(items)
    found = sizes(values, rate_hz)
    first_bin, starts, widths, weights, unweights = _filters(values, rate_hz, found.fft)
    even, odd, least = (
        int(np.float32(values[key]) * np.float32(1 << NOISE_BITS))
        for key in ("even_smoothing", "odd_smoothing", "min_signal_remaining")
    )
    smoothing = np.where(np.arange(values["channels"]) % 2, odd, even).astype(np.uint32)
    arrays = {
        "window": _window(found.window),
        "twiddles": _twiddles(-2 * np.pi * np.arange(found.fft // 2) / (found.fft // 2)),
        "real_twiddles": _twiddles(-np.pi * ((np.arange(found.fft // 4) + 1) / (found.fft // 2) + 0.5)),
        "starts": np.array(starts, np.int32),
        "widths": np.array(widths, np.int32),
        "weights": np.array(weights, np.int16),
        "unweights": np.array(unweights, np.int16),
        "smoothing": smoothing,
        "gains": _gains(values, found.correction_bits) if values["pcan"] else np.zeros(0, np.int16),
    }
    for array in arrays.values():
        array.setflags(write=False)
    snr_shift = values["pcan_gain_bits"] - found.correction_bits - SNR_BITS if values["pcan"] else 0
    return MicroTables(found, first_bin=first_bin, least_signal=least, snr_shift=snr_shift, **arrays)


def _window(size: int) -> Array:
    """A Hann window whose samples lie in the middle of their periods, in 12 fractional bits."""
    import numpy as np

    half = np.float32(0.5)
    step = np.float32(np.pi) * np.float32(2) / np.float32(size)
    angle = step * (np.arange(size, dtype=np.float32) + half)
    cosine = np.cos(angle.astype(np.float64)).astype(np.float32)
    hann = half - half * cosine
    found: Array = np.floor(hann * np.float32(1 << WINDOW_BITS) + half).astype(np.int16)
    return found


def _twiddles(phase: Array) -> Array:
    """[n, 2]: cosine and sine in 15 fractional bits."""
    import numpy as np

    both = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    return np.floor(0.5 + _INT16_MOST * both).astype(np.int16)


def _mel(hz: Any) -> Any:
    """TFLM's `FreqToMel`; float32 in and out."""
    import numpy as np

    ratio = np.float32(hz) / np.float32(700)
    return np.float32(1127) * log1p_f32(ratio)


def _filters(
    values: Mapping[str, Any], rate_hz: int, fft: int
) -> tuple[int, list[int], list[int], list[int], list[int]]:
    """(first bin, starts, widths, weights, unweights) of the slopes between the channels' centres."""
    import numpy as np

    one = np.float32(1)
    slopes = values["channels"] + 1
    low = _mel(values["low_hz"])
    spacing = (_mel(values["high_hz"]) - low) / np.float32(slopes)
    centres = [low + spacing * np.float32(number + 1) for number in range(slopes)]
    hz_per_bin = np.float32(0.5) * np.float32(rate_hz) / (np.float32(fft // 2 + 1) - one)
    first_bin = int(np.float32(1.5) + np.float32(values["low_hz"]) / hz_per_bin)
    starts: list[int] = []
    widths: list[int] = []
    weights: list[int] = []
    unweights: list[int] = []
    at = first_bin
    for number, centre in enumerate(centres):
        below = low if number == 0 else centres[number - 1]
        starts.append(at)
        while (mel := _mel(np.float32(at) * hz_per_bin)) <= centre:
            weight = (centre - mel) / (centre - below)
            for found, part in ((weights, weight), (unweights, one - weight)):
                found.append(int(np.floor(part * np.float32(1 << FILTER_BITS) + np.float32(0.5))))
            at += 1
        widths.append(at - starts[-1])
    if at > fft // 2:
        raise PreprocessError(
            f"high_hz is {values['high_hz']:g}; it must lie {hz_per_bin:g} Hz or more below half the rate.",
            "Lower high_hz.",
        )
    return first_bin, starts, widths, weights, unweights


def _gains(values: Mapping[str, Any], correction_bits: int) -> Array:
    """int16 [125]: gain at 0, 1, 2, then for each octave a parabola: its start, slope, bend, and one unused."""
    import numpy as np

    input_bits = values["smoothing_bits"] - correction_bits

    def gain(x: int) -> int:
        level = np.float32(x) / np.float32(1 << input_bits) + np.float32(values["pcan_offset"])
        power = np.float32(np.float64(level) ** -np.float64(np.float32(values["pcan_strength"])))
        found = np.float32(1 << values["pcan_gain_bits"]) * power
        return _INT16_MOST if found > _INT16_MOST else int(found + np.float32(0.5))

    table = np.zeros(125, np.int16)
    table[0], table[1] = gain(0), gain(1)
    for interval in range(2, 33):
        x0 = 1 << (interval - 1)
        y0, y1, y2 = gain(x0), gain(x0 + x0 // 2), gain(2 * x0 - (interval == 32))
        slope = 4 * (y1 - y0) - (y2 - y0)
        at = 4 * interval - 6
        table[at : at + 3] = np.array([y0, slope, y2 - y0 - slope]).astype(np.int16)
    return table
