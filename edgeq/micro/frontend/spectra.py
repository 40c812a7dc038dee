"""A spectrum and what is done to its bins and bands, lowered. They are numbers of 0 or more with an exponent each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.fixed import LEAST, Number, exponent_for, multiplier, number
from edgeq.micro.frontend.samples import EXTERNAL, Samples
from edgeq.micro.frontend.values import LOG_BITS, Values
from edgeq.preprocess.audio import window_table
from edgeq.preprocess.features import mel_table
from edgeq.preprocess.step import Step

ONE_BITS = 30
WEIGHT_BITS = 20
VALUE_BITS = 30
POWER_BITS = 24
EXPONENT_MOST = 120
FFT_MOST = 8192
NOTHING = Number(0, 0)
_FACTORS = {"e": math.log(2.0), "10": math.log10(2.0), "2": 1.0}


class Spectra:
    """The records from the frame on. `factor` is still to be multiplied with; a number is at most `most`."""

    def __init__(self, samples: Samples, place: int, step: Step, window: Step | None, factor: float) -> None:
        assert samples.frame is not None
        self._samples, self._length = samples, samples.frame.length
        self.fft, power = step.values["fft"], step.values["of"] == "power"
        if self.fft & (self.fft - 1) or self.fft > FFT_MOST:
            power = min(FFT_MOST, 1 << (self.fft - 1).bit_length())
            raise ConvertError(
                f"Step {place + 1} (spectrum) of [preprocess]: fft is {self.fft}; microcontrollers take powers of two "
                f"up to {FFT_MOST}.",
                f"Choose {power} and train with it, or let the application do it (external).",
            )
        table = np.ones(self._length)
        if window is not None:
            table = window_table(window.values["shape"], self._length, window.values["periodic"])
        plain = bool(np.all(table == 1.0))
        fixed = None if plain else np.round(np.clip(table, -1.0, 1.0) * (1 << ONE_BITS)).astype(np.int32)
        self.records: list[p.Record] = [p.Spectrum(self.fft, power, samples.exponent, fixed, _twiddles(self.fft))]
        self.power, self.factor = power, factor**2 if power else factor
        self.most = float(np.sum(np.abs(table))) * samples.most
        self.most **= 2 if power else 1
        self.width = self.fft // 2 + 1

    def mel(self, step: Step, rate_hz: int) -> None:
        """Bins to bands."""
        keys = ("bins", "low_hz", "high_hz", "scale", "norm", "slopes")
        table = mel_table(*(step.values[key] for key in keys), rate_hz, self.fft)
        largest = float(np.max(table))
        exponent = exponent_for(largest, WEIGHT_BITS) if largest > 0 else 0
        weights = np.minimum(np.round(np.ldexp(table, -exponent)), (1 << WEIGHT_BITS) - 1).astype(np.uint32)
        slopes, packed = _packed(weights)
        self.records.append(p.Mel(step.values["bins"], slopes, packed, exponent))
        self.most *= float(np.max(table.sum(axis=0)))
        self.width = step.values["bins"]
        self._multiply()

    def bins(self) -> None:
        """Bins as numbers."""
        self.records.append(p.Bins())
        self._multiply()

    def _multiply(self) -> None:
        if self.factor != 1.0:
            self._gain(self.factor, 0.0)

    def _gain(self, multiply: float, add: float) -> None:
        self.records.append(p.Gain(number(multiply), number(add)))
        self.most = self.most * multiply + add

    def add(self, place: int, step: Step) -> None:
        """A scale or clip before the logarithm."""
        values = step.values
        lists = [value for value in values.values() if isinstance(value, tuple)]
        if step.do == "scale" and not lists and values["multiply"] >= 0 and values["add"] >= 0:
            self._gain(values["multiply"], values["add"])
        elif step.do == "clip" and values["high"] >= 0:
            self.records.append(p.Hold(number(max(values["low"], 0.0)), number(values["high"])))
            self.most = min(self.most, values["high"])
        else:
            raise ConvertError(
                f"Step {place + 1} ({step.do}) of [preprocess] does not run on microcontrollers before a logarithm: "
                "only single numbers of 0 or more do.",
                EXTERNAL,
            )

    def log(self, step: Step, taken: int) -> Values:
        """The logarithm: numbers to values; `taken` steps are done with it."""
        v = step.values
        factor = v["multiply"] * _FACTORS[v["base"]]
        ends = [math.log2(max(end, v["floor"]) + v["offset"]) * factor for end in (0.0, self.most)]
        exponent = exponent_for(max(map(abs, ends)), 30)
        mult, shift = multiplier(math.ldexp(factor, -LOG_BITS - exponent))
        self.records.append(p.Log(number(v["floor"]), number(v["offset"]), mult, shift))
        return self._values(taken, exponent, min(ends), max(ends))

    def fix(self, taken: int) -> Values:
        """Numbers to values without a logarithm."""
        exponent = exponent_for(self.most, 30)
        self.records.append(p.Fix(exponent))
        return self._values(taken, exponent, 0.0, self.most)

    def pcen(self, step: Step, taken: int) -> Values:
        """Energy normalization: numbers to values, with a mean of each band in the arena."""
        v = step.values
        highest, less = (_lifted(ratio, v) for ratio in (_most_ratio(self.most, v), 0.0))
        exponent = exponent_for(max(highest, less), VALUE_BITS)
        if not -EXPONENT_MOST <= exponent <= EXPONENT_MOST:
            raise ConvertError(
                f"Step {taken} (pcen) of [preprocess] does not run on microcontrollers: it gives values of up to "
                f"{highest:g}.",
                EXTERNAL,
            )
        mean = p.Memory("mean", 8 * self.width)
        gain, power = (round(math.ldexp(v[key], POWER_BITS)) for key in ("gain", "power"))
        keep, part = number(1.0 - v["smoothing"]), number(v["smoothing"])
        eps, bias = number(v["eps"]), number(v["bias"])
        units = round(math.ldexp(less, -exponent))
        self.records.append(p.Pcen(v["start"] == "one", keep, part, eps, bias, gain, power, exponent, units, mean))
        found = self._values(taken, exponent, 0.0, highest - less)
        found.memories = [mean]
        return found

    def _values(self, taken: int, exponent: int, low: float, high: float) -> Values:
        found = Values(self._samples, taken, self.width, exponent, low, high)
        found.records, found.fft = self.records, self.fft
        found.most_bytes = 8 * self.width
        return found


def _lifted(ratio: float, values: Mapping[str, Any]) -> float:
    """(ratio + bias) ^ power, or a number too large for everything."""
    try:
        return float((ratio + values["bias"]) ** values["power"])
    except OverflowError:
        return 1e300


def _most_ratio(most: float, values: Mapping[str, Any]) -> float:
    """A bound of E / (eps + M)^gain: M is at least smoothing * E."""
    smoothing, gain, eps = values["smoothing"], values["gain"], values["eps"]
    worst = min(most, eps / (smoothing * (gain - 1))) if gain > 1 else most
    logarithm = math.log(max(worst, LEAST)) - gain * math.log(eps + smoothing * worst)
    return math.exp(min(logarithm, 600.0))


def _twiddles(fft: int) -> p.Table:
    angle = 2 * np.pi * np.arange(fft // 2) / fft
    both = np.stack([np.cos(angle), -np.sin(angle)], axis=1)
    return np.round(both * (1 << ONE_BITS)).astype(np.int32)


def _packed(weights: p.Table) -> tuple[p.Table, p.Table]:
    """(first bin and width of each band, its weights one after the other) of [bins, bands]."""
    slopes, packed = [], []
    for band in weights.T:
        (used,) = np.nonzero(band)
        first, behind = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        slopes.append((first, behind - first))
        packed.append(band[first:behind])
    return np.array(slopes, np.uint16), np.concatenate(packed).astype(np.uint32)
