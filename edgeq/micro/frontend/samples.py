"""Steps on samples, lowered: what they do to units and bounds, so that 32 bits always hold a sample."""

from __future__ import annotations

import math

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.fixed import exponent_for, multiplier
from edgeq.micro.frontend.resample import lower_resample
from edgeq.preprocess.step import Step

LIFT = 13
"""A sample of 16 bits becomes one of 29, so that what divides it loses nothing."""
MOST = 1 << 29
BITS = 28
EXTERNAL = "Let the application do the preprocessing, and say so: external in [preprocess]."


class Samples:
    """The records so far. A sample m is worth m * 2^exponent, and behind a peak p a p-th of that; |m| is at most
    `bound`, its worth at most `most`."""

    def __init__(self, rate_hz: int, lift: int = LIFT) -> None:
        self.records: list[p.Record] = []
        self.rate_hz = rate_hz
        self.resample: p.Resample | None = None
        self.frame: p.Frame | None = None
        self.pad = 0
        self.lift, self.exponent = lift, -lift
        self.bound, self.most = float(1 << (15 + lift)), 32768.0
        self.peak = 0.0
        """The largest peak that there may be, in units; 0 without that step."""

    @property
    def peaks(self) -> bool:
        return self.peak > 0

    def add(self, number: int, step: Step) -> None:
        """One more step. `ConvertError` where it cannot be done."""
        do = getattr(self, f"_{step.do}", None)
        if do is None:
            raise self._refused(number, step, "it does not run on microcontrollers")
        do(number, step)

    def _refused(self, number: int, step: Step, why: str) -> ConvertError:
        return ConvertError(f"Step {number + 1} ({step.do}) of [preprocess]: {why}.", EXTERNAL)

    def _resample(self, number: int, step: Step) -> None:
        if self.records:
            raise ConvertError(
                f"Step {number + 1} (resample) of [preprocess]: on microcontrollers it is the first step, once.",
                "Put it before the others: a pad behind it counts samples of the new rate.",
            )
        self.resample = lower_resample(number, step, self.rate_hz)
        self.rate_hz = step.values["rate_hz"]
        self.records.append(self.resample)

    def _pad(self, number: int, step: Step) -> None:
        if self.pad or any(record is not self.resample for record in self.records):
            raise self._refused(number, step, "on microcontrollers pad is the first step but for resample, once")
        self.pad = step.values["samples"]
        self.records.append(p.Pad(self.pad, step.values["at"] == "start"))

    def _peak(self, number: int, step: Step) -> None:
        if self.peaks:
            raise self._refused(number, step, "there was a peak before")
        if not -29 <= self.exponent <= 0:
            raise self._refused(number, step, "the samples before it are scaled too far for 32 bits")
        magnitude, unit = step.values["of"] == "max_abs", -self.exponent
        self.records.append(p.Peak(magnitude, unit))
        self.peak = max(self.bound, float(1 << unit))
        self.most = 1.0 if magnitude else max(self.bound, self.most)
        self.exponent = 0

    def _preemphasis(self, number: int, step: Step) -> None:
        if any(isinstance(record, p.Preemphasis) for record in self.records):
            raise self._refused(number, step, "there was a preemphasis before")
        coefficient = step.values["coefficient"]
        growth = 1.0 + abs(coefficient)
        if self.bound * growth > MOST:
            self._rescale(1.0, 0.0)
        self.records.append(p.Preemphasis(round(coefficient * (1 << 30))))
        self.bound, self.most = self.bound * growth, self.most * growth

    def _scale(self, number: int, step: Step) -> None:
        multiply, add = step.values["multiply"], step.values["add"]
        if isinstance(multiply, tuple) or isinstance(add, tuple):
            raise self._refused(number, step, "lists do not run on microcontrollers before a spectrum")
        self._rescale(multiply, add)

    def _rescale(self, multiply: float, add: float) -> None:
        """x * multiply + add, in a unit that leaves a bit of room."""
        # The sum's parts in the present unit: behind a peak what is added is a part of that.
        whole = self.peak or 1.0
        added = math.ldexp(add, -self.exponent)
        bound = abs(multiply) * self.bound + abs(added) * whole
        up = exponent_for(bound, BITS)
        if not self.peaks:
            up = max(up, -29 - self.exponent)
        mult, shift = multiplier(math.ldexp(multiply, -up))
        add_units = math.ldexp(added, -up)
        if self.peaks:
            addend, add_shift = multiplier(add_units)
        else:
            addend, add_shift = round(add_units), 0
        self.records.append(p.Scale(mult, shift, addend, add_shift))
        self.exponent += up
        self.bound = math.ldexp(bound, -up)
        self.most = abs(multiply) * self.most + abs(add)

    def _clip(self, number: int, step: Step) -> None:  # noqa: ARG002
        low, high = step.values["low"], step.values["high"]
        units = [min(max(math.ldexp(limit, -self.exponent), -MOST), MOST) for limit in (low, high)]
        largest = max(map(abs, units))
        shift = max(0, min(62, -exponent_for(largest, 30))) if self.peaks else 0
        least, most = (round(math.ldexp(unit, shift)) for unit in units)
        self.records.append(p.Clip(least, most, shift))
        self.bound = min(self.bound, max(largest * (self.peak or 1.0), 1.0))
        self.most = min(self.most, max(abs(low), abs(high)))

    def _frame(self, number: int, step: Step) -> None:  # noqa: ARG002
        self.frame = p.Frame(step.values["length"], step.values["step"])
