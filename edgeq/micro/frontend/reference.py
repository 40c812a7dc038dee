"""What a front-end program computes, in numpy's integers: every bit of it, by other means than the C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.micro.frontend import numbers_reference as numbers
from edgeq.micro.frontend import pictures_reference as pictures
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.fixed import INT32, Number
from edgeq.micro.frontend.resample_reference import heard_hz, resample
from edgeq.micro.frontend.spectra import POWER_BITS
from edgeq.micro.frontend.values import LOG_BITS
from edgeq.preprocess import Raw
from edgeq.preprocess.micro import Micro
from edgeq.preprocess.windows import Windows

Array = NDArray[Any]
MOST = 1 << 29
FRAME_BITS = 29
ONE_BITS = 30
ONE = np.uint64(1)
EXPONENT_LEAST = 1024
ROOTS = tuple(round(2.0 ** (31 + 2.0**-place)) for place in range(1, LOG_BITS + 1))
"""The square root of 2, that of this, and so on, with 31 fractional bits."""
_DTYPES = {1: np.int8, 5: np.uint8, 2: np.int16}
_LIMITS = {1: (-128, 127), 5: (0, 255), 2: (-32768, 32767)}


def quantized(program: p.Program, raw: Raw) -> bytes:
    """The bytes of the model's input that a device makes of `raw`. `UsageError` for what it refuses."""
    last = program.records[-1]
    if isinstance(last, p.Convert):
        return _encoded(numbers.converted(program, raw), last.dtype)
    rows = pictures.rows(program, raw) if program.input == p.IMAGE else features(program, raw)
    for record in program.records[1:-1] if program.input == p.IMAGE else ():
        rows = VALUES[type(record)](record, rows)
    if isinstance(last, p.Lookup):
        channel = np.arange(rows.shape[1]) % last.channels
        found = last.table[channel, rows >> pictures.PART_BITS]
        looked_up: bytes = found.astype(found.dtype.newbyteorder("<")).tobytes()
        return looked_up
    assert isinstance(last, p.Quantize)
    low, high = _LIMITS[last.dtype]
    values = np.clip(_shifted(rows * last.mult, last.shift) + last.zero_point, low, high)
    return _encoded(values, last.dtype)


def _encoded(values: Array, dtype: int) -> bytes:
    return bytes(values.astype(np.dtype(_DTYPES[dtype]).newbyteorder("<")).tobytes())


def features(program: p.Program, raw: Raw) -> Array:
    """Rows of values before they are quantized, int64 [rows, width]."""
    if raw.array.dtype != np.int16 or raw.array.ndim != 1 or raw.rate_hz != program.rate_hz:
        raise UsageError(f"The audio is not int16 at {program.rate_hz} Hz.", "A microcontroller takes no other rate.")
    if not program.least <= len(raw.array) <= program.most:
        raise UsageError(
            f"The audio has {len(raw.array)} samples; the front end takes {program.least} to {program.most}.",
            "Cut it, or put a pad step into [preprocess].",
        )
    first, heard = program.records[0], raw.array.astype(np.int64)
    if isinstance(first, p.Resample):
        heard = resample(first, heard)
    samples, peak = _samples(program, heard << program.lift)
    at = next(number for number, record in enumerate(program.records) if isinstance(record, p.Frame))
    frame = program.records[at]
    assert isinstance(frame, p.Frame)
    frames = Windows(frame.length, frame.step)(samples, True)
    maker = program.records[at + 1]
    rest = program.records[at + 2 : -1]
    if isinstance(maker, p.Micro):
        assert program.micro is not None
        values = Micro(program.micro, heard_hz(program))(samples, True).astype(np.int64)
    else:
        assert isinstance(maker, p.Spectrum)
        bins, exponents = _spectrum(maker, frames)
        m, e = _numbers(rest[0], bins, exponents)
        if peak:
            part = _inverse(peak)
            part = _times(*part, *part) if maker.power else part
            m, e = _times(m, e, *part)
        values, rest = _to_values(m, e, rest[1:])
    for record in rest:
        values = VALUES[type(record)](record, values)
    return values[: program.rows]


# Samples


def _samples(program: p.Program, x: Array) -> tuple[Array, int]:
    """Through every step on samples; and the peak, 0 without that step."""
    peak = 0
    for record in program.records:
        if isinstance(record, p.Pad):
            x = _padded(record, x)
        elif isinstance(record, p.Scale):
            add = _in_units(record.add, record.add_shift, peak)
            x = np.clip(_shifted(x * record.mult, record.shift) + add, -MOST, MOST)
        elif isinstance(record, p.Clip):
            low, high = (_in_units(limit, record.shift, peak) for limit in (record.low, record.high))
            x = np.clip(x, low, high)
        elif isinstance(record, p.Preemphasis):
            before = np.concatenate([[0], x[:-1]])
            x = np.clip(x - _shifted(before * record.coefficient, 30), -MOST, MOST)
        elif isinstance(record, p.Peak):
            highest = int(np.max(np.abs(x) if record.magnitude else x))
            peak = highest if highest > 0 else 1 << record.unit
    return x, peak


def _padded(record: p.Pad, x: Array) -> Array:
    zeros = np.zeros(max(0, record.samples - len(x)), np.int64)
    if record.at_start:
        return np.concatenate([zeros, x])[-record.samples :]
    return np.concatenate([x, zeros])[: record.samples]


def _in_units(value: int, shift: int, peak: int) -> int:
    found = int(_shifted(np.int64(value * peak), shift)) if peak else value
    return min(max(found, -MOST), MOST)


def _shifted(x: Any, shift: int) -> Any:
    """x / 2^shift, halves up."""
    return x if shift == 0 else (x + (np.int64(1) << np.int64(shift - 1))) >> np.int64(shift)


# Spectra


def _spectrum(record: p.Spectrum, frames: Array) -> tuple[Array, Array]:
    """uint64 bins [time, fft / 2 + 1], and the exponent of each frame's."""
    largest = np.max(np.abs(frames), axis=1)
    up = np.maximum(FRAME_BITS - _bits(largest.astype(np.uint64)), 0)
    moved = frames << up[:, None]
    if record.window is not None:
        moved = _shifted(moved * record.window.astype(np.int64), ONE_BITS)
    padded = np.zeros((len(frames), record.fft), np.int64)
    padded[:, : moved.shape[1]] = moved
    re, im = _real_fft(padded, record.twiddles.astype(np.int64))
    power = (re * re + im * im).astype(np.uint64)
    exponents = record.exponent - up + (record.fft.bit_length() - 2)
    return (power, 2 * exponents) if record.power else (_root(power), exponents)


def _real_fft(x: Array, twiddles: Array) -> tuple[Array, Array]:
    """Divided by fft / 2."""
    re, im = _fft(x[:, 0::2], x[:, 1::2], twiddles)
    half = re.shape[1]
    k = np.arange(1, half)
    even_re, even_im = _halved(re[:, k] + re[:, half - k]), _halved(im[:, k] - im[:, half - k])
    odd = _halved(im[:, k] + im[:, half - k]), _halved(re[:, half - k] - re[:, k])
    turned_re, turned_im = _turned(*odd, twiddles[k])
    found_re, found_im = (np.zeros((len(x), half + 1), np.int64) for _ in range(2))
    low, middle = k < half // 2, half // 2
    for at, sign in ((k[low], 1), (half - k[low], -1)):
        found_re[:, at] = even_re[:, low] + sign * turned_re[:, low]
        found_im[:, at] = turned_im[:, low] + sign * even_im[:, low]
    found_re[:, middle], found_im[:, middle] = re[:, middle], -im[:, middle]
    found_re[:, 0], found_re[:, half] = re[:, 0] + im[:, 0], re[:, 0] - im[:, 0]
    return found_re, found_im


def _fft(re: Array, im: Array, twiddles: Array) -> tuple[Array, Array]:
    """Complex, each stage halved; `twiddles` are those of twice as many points."""
    size = re.shape[1]
    if size == 1:
        return re, im
    even = _fft(re[:, 0::2], im[:, 0::2], twiddles[::2])
    odd = _fft(re[:, 1::2], im[:, 1::2], twiddles[::2])
    turned = _turned(*odd, twiddles[::2][: size // 2])
    re, im = (np.concatenate([_halved(a + b), _halved(a - b)], axis=1) for a, b in zip(even, turned, strict=True))
    return re, im


def _turned(re: Array, im: Array, w: Array) -> tuple[Array, Array]:
    return _shifted(re * w[:, 0] - im * w[:, 1], ONE_BITS), _shifted(re * w[:, 1] + im * w[:, 0], ONE_BITS)


def _halved(x: Array) -> Array:
    return (x + 1) >> 1


def _root(x: Array) -> Array:
    """The floor of the square root of uint64 below 2^63."""
    root = np.sqrt(x.astype(np.float64)).astype(np.uint64)
    root = np.where(root * root > x, root - ONE, root)
    return np.where((root + ONE) * (root + ONE) <= x, root + ONE, root)


def _bits(x: Array) -> Array:
    """How many bits uint64 numbers take."""
    high = (x >> np.uint64(32)).astype(np.float64)
    low = (x & np.uint64(0xFFFFFFFF)).astype(np.float64)
    return np.where(high > 0, 32 + np.frexp(high)[1], np.frexp(low)[1]).astype(np.int64)


# Numbers: (m, e), arrays of uint64 and int64


def _numbers(record: p.Record, bins: Array, exponents: Array) -> tuple[Array, Array]:
    low_mask = np.uint64(0xFFFFFFFF)
    if isinstance(record, p.Bins):
        return _number(bins >> np.uint64(32), bins & low_mask, exponents[:, None])
    assert isinstance(record, p.Mel)
    dense = np.zeros((bins.shape[1], record.bins), np.uint64)
    at = 0
    for band, (first, width) in enumerate(record.slopes.astype(int)):
        dense[first : first + width, band] = record.weights[at : at + width]
        at += width
    return _number((bins >> np.uint64(32)) @ dense, (bins & low_mask) @ dense, exponents[:, None] + record.exponent)


def _number(high: Array, low: Array, e: Array) -> tuple[Array, Array]:
    """(high * 2^32 + low) * 2^e, its first 32 bits."""
    high = high + (low >> np.uint64(32))
    wide = high >> np.uint64(32) != 0
    top = np.where(wide, high, high << np.uint64(32) | low & np.uint64(0xFFFFFFFF))
    e = np.where(wide, e + 32, e)
    down = _bits(top) - 32
    m = np.where(down > 0, top >> np.maximum(down, 0).astype(np.uint64), top << np.maximum(-down, 0).astype(np.uint64))
    return m, np.where(m == 0, 0, e + down)


def _times(m: Array, e: Array, other_m: Any, other_e: Any) -> tuple[Array, Array]:
    product = np.asarray(m, np.uint64) * np.uint64(other_m)
    bits = np.uint64(31) + (product >> np.uint64(63))
    return product >> bits, np.where(product == 0, 0, e + other_e + bits.astype(np.int64))


def _plus(m: Array, e: Array, other: Number) -> tuple[Array, Array]:
    return _sum(m, e, np.uint64(other.m), np.int64(other.e))


def _sum(m: Array, e: Array, other_m: Any, other_e: Any) -> tuple[Array, Array]:
    swapped = (m == 0) | ((other_m != 0) & (other_e > e))
    large_m, large_e = np.where(swapped, other_m, m), np.where(swapped, other_e, e)
    small_m, small_e = np.where(swapped, m, other_m), np.where(swapped, e, other_e)
    apart = np.where(small_m == 0, 0, large_e - small_e)
    total = large_m + np.where(apart >= 32, np.uint64(0), small_m >> np.minimum(apart, 63).astype(np.uint64))
    carry = total >> np.uint64(32)
    return total >> carry, large_e + carry.astype(np.int64)


def _larger(m: Array, e: Array, other: Number) -> Any:
    """Where a number is above `other`."""
    if other.m == 0:
        return m > 0
    return (m > 0) & ((e > other.e) | ((e == other.e) & (m > np.uint64(other.m))))


def _smaller(m: Array, e: Array, other: Number) -> Any:
    if other.m == 0:
        return np.zeros(m.shape, bool)
    return (m == 0) | (e < other.e) | ((e == other.e) & (m < np.uint64(other.m)))


def _where(choice: Array, other: Number, m: Array, e: Array) -> tuple[Array, Array]:
    return np.where(choice, np.uint64(other.m), m), np.where(choice, other.e, e)


def _inverse(x: int) -> tuple[Any, Any]:
    """1 / x, rounded down."""
    bits = x.bit_length()
    if x == 1 << (bits - 1):
        return np.uint64(1 << 31), np.int64(-31 - (bits - 1))
    return np.uint64((1 << (bits + 31)) // x), np.int64(-(bits + 31))


def _to_values(m: Array, e: Array, rest: tuple[p.Record, ...]) -> tuple[Array, tuple[p.Record, ...]]:
    """Through the records on numbers, and the one that ends them; what follows."""
    for number, record in enumerate(rest):
        if isinstance(record, p.Gain):
            m, e = _plus(*_times(m, e, *record.mult), record.add)
        elif isinstance(record, p.Hold):
            m, e = _where(_smaller(m, e, record.low), record.low, m, e)
            m, e = _where(_larger(m, e, record.high), record.high, m, e)
        elif isinstance(record, p.Log):
            m, e = _where(_smaller(m, e, record.floor), record.floor, m, e)
            logs = _log2(*_plus(m, e, record.offset))
            return np.clip(_shifted(logs * record.mult, record.shift), *INT32), rest[number + 1 :]
        elif isinstance(record, p.Pcen):
            return pcen(record, m, e), rest[number + 1 :]
        else:
            assert isinstance(record, p.Fix)
            return _fixed(m, e, record.exponent), rest[number + 1 :]
    raise ValueError("numbers that become no values")


def _fixed(m: Array, e: Array, exponent: int) -> Array:
    right = exponent - e
    found = np.where(right <= 0, INT32[1], (m >> np.clip(right, 0, 63).astype(np.uint64)).astype(np.int64))
    return np.where((m == 0) | (right >= 32), 0, found)


# Energy normalization


def pcen(record: p.Pcen, m: Array, e: Array) -> Array:
    """int64 [time, width], row by row: the mean goes from one to the next."""
    found = np.zeros(m.shape, np.int64)
    mean_m, mean_e = m[0], e[0]
    if record.from_one:
        mean_m, mean_e = np.full(m[0].shape, 1 << 31, np.uint64), np.full(e[0].shape, -31)
    for row, (one_m, one_e) in enumerate(zip(m, e, strict=True)):
        kept = _flushed(*_times(mean_m, mean_e, *record.keep))
        mean_m, mean_e = _sum(*kept, *_flushed(*_times(one_m, one_e, *record.part)))
        below = _log2(*_plus(mean_m, mean_e, record.eps))
        logs = _log2(one_m, one_e) - _shifted(below * record.gain, POWER_BITS)
        ratio_m, ratio_e = _exp2(logs)
        ratio_m, ratio_e = np.where(one_m == 0, np.uint64(0), ratio_m), np.where(one_m == 0, 0, ratio_e)
        lifted_m, lifted_e = _plus(ratio_m, ratio_e, record.bias)
        values_m, values_e = _exp2(_shifted(_log2(lifted_m, lifted_e) * record.power, POWER_BITS))
        fixed = _fixed(np.where(lifted_m == 0, np.uint64(0), values_m), values_e, record.exponent)
        found[row] = np.clip(fixed - record.less, *INT32)
    return found


def _flushed(m: Array, e: Array) -> tuple[Array, Array]:
    gone = e < -EXPONENT_LEAST
    return np.where(gone, np.uint64(0), m), np.where(gone, 0, e)


def _exp2(logs: Array) -> tuple[Array, Array]:
    """2^x of LOG_BITS fractional bits, from the largest part of the fraction on."""
    whole, y = logs >> LOG_BITS, np.full(logs.shape, 1 << 31, np.uint64)
    for place, root in enumerate(ROOTS, 1):
        y = np.where(logs >> (LOG_BITS - place) & 1 == 1, (y * np.uint64(root)) >> np.uint64(31), y)
    return y, whole - 31


def _log2(m: Array, e: Array) -> Array:
    """In LOG_BITS fractional bits, rounded down."""
    whole, y, fraction = e + 31, m.astype(np.uint64), np.zeros(m.shape, np.int64)
    for _ in range(LOG_BITS):
        y = (y * y) >> np.uint64(31)
        over = y >> np.uint64(32)
        y = y >> over
        fraction = 2 * fraction + over.astype(np.int64)
    found = (whole << LOG_BITS) + fraction
    found = np.where(whole > 126, 127 << LOG_BITS, found)
    return np.where((m == 0) | (whole < -127), -(127 << LOG_BITS), found)


# Values, int64 [time, width]


def _affine(record: p.Affine, x: Array) -> Array:
    scaled = _shifted(x * record.mult.astype(np.int64), record.shift)
    return np.asarray(np.clip(scaled + record.add.astype(np.int64), *INT32))


def _matrix(record: p.Matrix, x: Array) -> Array:
    return np.asarray(np.clip(_shifted(x @ record.table.astype(np.int64).T, record.shift), *INT32))


VALUES: Mapping[type[p.Record], Callable[[Any, Array], Array]] = {
    p.Affine: _affine,
    p.Limit: lambda record, x: np.clip(x, record.low, record.high),
    p.Matrix: _matrix,
    p.Stack: lambda record, x: Windows(record.frames, record.step)(x, True),
}
