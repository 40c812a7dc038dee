"""Tier 2: Nordic's Power Profiler Kit II, `ppk2:/dev/ttyACM0?supply_v=3.3`, through `ppk2-api`.

Options: `supply_v` (V; what it feeds the device with, or with `mode=ampere` what another supply does), `pin=0` (the
digital channel that the device's trigger pin is wired to), `pulses=steady` (the pin rises for the measured inferences
only), `gate`, `error_pct` (of your own calibration), `off=1` (the device is no longer fed at the end).

The library drives the kit and reads its calibration. A sample is a word of 32 bits: 14 of the ADC, 3 of the range, 6 of
a counter that tells lost samples, 8 digital channels. They are kept as they come and converted at the end, all at once:
one by one, as the library does it, would take half a core while the device measures (6 us each, 100,000 a second).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import LinkError, UsageError
from edgeq.probe.power.gate import PULSES, WAYS
from edgeq.probe.power.meter import Capture, Floats, Meter, Tie, tie_of
from edgeq.probe.power.options import Options, read_options
from edgeq.run import Series
from edgeq.target import TargetProfile

OPTIONS = ("supply_v", "mode", "pin", "pulses", "gate", "error_pct", "off")
MODES = ("source", "ampere")
STEP_S = 1e-5
POLL_S = 0.001
SETTLE_S = 0.3
"""Before and after the bench, for idle power."""
TRIES = 3
COUNTS = 64
BLOCK = 1 << 12
"""So many frames are looked at together: behind each loss the rest is looked at anew, and a recording has many."""
SURE = 8
"""So many counters in a row are no accident."""
ALPHA, ALPHA_4, FILTERED = 0.18, 0.06, 3
"""The kit's own filter behind a change of range: weights of its running means, and how many samples are replaced."""
Words = NDArray[np.uint32]

KIT = Meter(
    "T2",
    "Nordic PPK2",
    "all that is fed through it: the rail that the kit is wired into",
    gain_pct=20.0,
    accuracy="'better than +-20 %' is what Nordic's listing is quoted with, others say +-10 %; 'error_pct' takes that"
    " of your own calibration against a known resistor",
    offset_mw=0.001,
    supply_pct=2.0,
    clock_ppm=100.0,
    ranges=True,
)
"""The kit measures current alone; 2 % is what its regulator, or another supply, is assumed to be off."""


@dataclass
class Ppk2:
    """Opened at `start`; a thread reads until `stop`."""

    port: str
    options: Options
    supply_v: float
    meter: Meter
    gate: str
    pulses: str
    pin: int | None
    _kit: Any = None
    _reader: threading.Thread | None = None
    _done: threading.Event = field(default_factory=threading.Event)
    _chunks: list[tuple[float, bytes]] = field(default_factory=list)
    _failure: str = ""
    _began_s: float = 0.0
    _capture: Capture | None = None

    @property
    def name(self) -> str:
        return self.options.name

    def start(self) -> None:
        self._feed()
        self._kit.start_measuring()
        self._reader = threading.Thread(target=self._read, name="ppk2", daemon=True)
        self._reader.start()
        time.sleep(SETTLE_S)
        if not self._chunks:
            self._close()
            raise LinkError(f"The PPK2 at {self.port} sends no samples.", "Unplug it, plug it in again, and retry.")
        self._began_s = time.monotonic()

    def feed(self) -> None:
        """Feed the device and measure nothing: a board that lives on the kit must be fed before it is asked for."""
        self._feed()
        self._close()

    def _feed(self) -> None:
        self._kit = _opened(self.port)
        _calibrated(self._kit, self.port)
        if self.options.choice("mode", MODES, "source") == "source":
            self._kit.use_source_meter()
        else:
            self._kit.use_ampere_meter()
        self._kit.set_source_voltage(round(self.supply_v * 1000))
        self._kit.toggle_DUT_power("ON")

    def stop(self) -> Sequence[Series]:
        if self._kit is None:
            return ()
        ended_s = time.monotonic()
        time.sleep(SETTLE_S)
        self._done.set()
        if self._reader:
            self._reader.join()
        calibration = {key: dict(value) for key, value in self._kit.modifiers.items() if isinstance(value, dict)}
        self._close()
        capture = captured(self._chunks, calibration, self.supply_v, self.pin, self._failure)
        self._capture = capture.around(self._began_s, ended_s)
        return ()

    def capture(self) -> Capture:
        if self._capture is None:
            raise UsageError(f"The probe '{self.name}' recorded nothing.", "Start it before the bench.")
        return self._capture

    def _read(self) -> None:
        try:
            while not self._done.is_set():
                data = self._kit.get_data()
                if data:
                    self._chunks.append((time.monotonic(), data))
                time.sleep(POLL_S)
        except (OSError, TypeError) as error:  # pyserial raises a TypeError where a port is closed under a read.
            self._failure = f"The PPK2 stopped: {error}."

    def _close(self) -> None:
        self._done.set()
        try:
            self._kit.stop_measuring()
            if self.options.number("off"):
                self._kit.toggle_DUT_power("OFF")
            with suppress(Exception):  # Of a kit that was unplugged; pyserial lets an error of termios through.
                self._kit.ser.flush()
            self._kit.ser.close()
        finally:
            self._kit = None


def captured(
    chunks: Sequence[tuple[float, bytes]],
    calibration: Mapping[str, Mapping[str, float]],
    supply_v: float,
    pin: int | None,
    failure: str = "",
) -> Capture:
    """What was read, as (host's monotonic time, bytes), becomes power on the kit's own clock: 10 us a sample."""
    words, index, lost = frames(b"".join(data for _, data in chunks))
    power = currents_ua(words, calibration, supply_v) * supply_v / 1e3
    t: Floats = np.asarray(index * STEP_S, np.float64)
    level = (words >> (24 + pin) & 1).astype(np.bool_) if pin is not None else None
    notes = (failure,) if failure else ()
    return Capture(
        t_s=t,
        power_mw=power,
        step_s=STEP_S,
        pin=level,
        tie=_tie(chunks, index),
        supply_v=supply_v,
        lost=lost,
        smear_s=FILTERED * STEP_S,
        notes=notes,
    )


def frames(data: bytes) -> tuple[Words, NDArray[np.int64], int]:
    """Bytes -> words, each one's number among all that were sent, and how many did not arrive.

    The counter runs from 0 to 63. Where it jumps, samples are missing (their number is known up to multiples of 64);
    where it makes no sense any more, bytes are missing, and the next place is looked for at which it does.
    """
    found: list[Words] = []
    numbers: list[NDArray[np.int64]] = []
    at = number = lost = 0
    expected: int | None = None
    while len(data) - at >= 4:
        words = np.frombuffer(data, "<u4", min(BLOCK, (len(data) - at) // 4), at)
        counter = (words >> 18 & (COUNTS - 1)).astype(np.int64)
        if expected is not None and counter[0] != expected:
            shift = _synchronized(data, at)
            if shift is None:
                break
            if shift:
                at += shift
                continue
            missing = int(counter[0] - expected) % COUNTS
            lost, number = lost + missing, number + missing
        breaks = _jumps(counter)
        take = int(breaks[0]) + 1 if breaks.size else words.size
        found.append(words[:take])
        numbers.append(number + np.arange(take))
        number, expected, at = number + take, int(counter[take - 1] + 1) % COUNTS, at + 4 * take
    if not found:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64), 0
    return np.concatenate(found), np.concatenate(numbers), lost


def _synchronized(data: bytes, at: int) -> int | None:
    """How many bytes further the counters run again, up to a few frames; None where they do not."""
    for shift in range(4 * COUNTS):
        words = np.frombuffer(data, "<u4", min(SURE, max(0, len(data) - at - shift) // 4), at + shift)
        if words.size < 2:
            return None
        if not _jumps((words >> 18 & (COUNTS - 1)).astype(np.int64)).size:
            return shift
    return None


def _jumps(counter: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where a counter is not followed by the next."""
    return np.flatnonzero(np.mod(np.diff(counter) - 1, COUNTS))


def currents_ua(words: Words, calibration: Mapping[str, Mapping[str, float]], supply_v: float) -> Floats:
    """The kit's calibration applied (Nordic's Power Profiler, `getAdcResult`), and its filter behind changes of range.

    `calibration`: R, GS, GI, O, S, I and UG, each by range, as the library reads them.
    """
    ranges = np.minimum(words >> 14 & 7, 4).astype(np.intp)
    of = {key: np.array([values[str(n)] for n in range(5)])[ranges] for key, values in calibration.items()}
    adc = (words & 0x3FFF).astype(np.float64) * 4
    plain = (adc - of["O"]) * (1.8 / 163840 / of["R"])
    amperes = of["UG"] * (plain * (of["GS"] * plain + of["GI"]) + (of["S"] * supply_v + of["I"]))
    return _filtered(amperes, ranges) * 1e6


def _filtered(values: Floats, ranges: NDArray[np.intp]) -> Floats:
    """Behind a change of range, samples are replaced by the running mean of all before; elsewhere they stay.

    The running mean forgets: what lies so far back that its weight is below 1e-14 is left out, so that only the
    surroundings of a change are gone through.
    """
    changes = np.flatnonzero(np.diff(ranges)) + 1
    if not changes.size:
        return values
    found = values.copy()
    memory = int(np.ceil(np.log(1e-14) / np.log(1 - ALPHA_4)))
    until = 0
    for first in changes.tolist():
        if first < until:
            continue  # Gone through with the one before.
        begin = max(0, first - memory)
        until = min(values.size, first + FILTERED)
        while (more := changes[(changes > first) & (changes < until + memory)]).size and int(more[-1]) >= until:
            until = min(values.size, int(more[-1]) + FILTERED)
        _run_filter(values, ranges, found, begin, until)
    return found


def _run_filter(values: Floats, ranges: NDArray[np.intp], found: Floats, begin: int, until: int) -> None:
    mean = mean_4 = float(values[begin])
    previous, left, since = int(ranges[begin]), 0, 0
    for n in range(begin, until):
        value, here = float(values[n]), int(ranges[n])
        before, before_4 = mean, mean_4
        mean = ALPHA * value + (1 - ALPHA) * mean
        mean_4 = ALPHA_4 * value + (1 - ALPHA_4) * mean_4
        if here != previous or left > 0:
            if here != previous:
                since, left = 0, FILTERED
            else:
                since += 1
            if here == 4 and since < 2:
                mean, mean_4 = before, before_4
            found[n] = mean_4 if here == 4 else mean
            left -= 1
        previous = here


def _tie(chunks: Sequence[tuple[float, bytes]], index: NDArray[np.int64]) -> Tie | None:
    """The end of each chunk on the kit's clock. A read may end within a frame; what was lost took its time, too."""
    if not index.size:
        return None
    frames_by = np.cumsum([len(data) for _, data in chunks]) // 4
    kit = (index[np.clip(frames_by, 1, index.size) - 1] + 1) * STEP_S
    return tie_of([when for when, _ in chunks], kit.tolist(), POLL_S)


def _library() -> Any:
    try:
        from ppk2_api.ppk2_api import PPK2_API
    except ImportError as error:
        raise UsageError(
            "A PPK2 needs the library ppk2-api, which is not installed.", "Run: pip install 'edgeq[ppk2]'"
        ) from error
    return PPK2_API


def _opened(port: str) -> Any:
    library = _library()
    try:
        return library(port, timeout=1, write_timeout=1, exclusive=True)
    except (OSError, ValueError) as error:
        ports = ", ".join(found()) or "none"
        raise LinkError(f"The PPK2 at {port} cannot be opened: {error}.", f"PPK2s found here: {ports}.") from error


def _calibrated(kit: Any, port: str) -> None:
    """Its calibration. A kit that was left measuring sends samples first, so it is stopped and asked again."""
    for _ in range(TRIES):
        kit.stop_measuring()
        time.sleep(0.02)
        kit.get_data()
        try:
            if kit.get_modifiers():
                break
        except (UnicodeDecodeError, ValueError):
            continue
    else:
        kit.ser.close()
        raise LinkError(
            f"What is at {port} does not answer as a PPK2 does.", "Unplug it, plug it in again; see 'edgeq probes'."
        )
    values = [value for name in "R" for value in kit.modifiers[name].values()]
    if not all(0 < value < 1e5 for value in values):
        raise LinkError(
            f"The calibration of the PPK2 at {port} is damaged: its resistors are {values} ohm.",
            "Ask Nordic's support for its calibration; what it measures is of no use.",
        )


def found() -> list[str]:
    """The ports at which kits are plugged in; none where the library is missing."""
    try:
        return [str(port) for port in _library().list_devices()]
    except UsageError:
        return []


def open_address(rest: str, target: TargetProfile | None = None) -> Ppk2:  # noqa: ARG001 - a factory's signature
    """`rest` is `PORT?supply_v=3.3&pin=0`."""
    options = read_options("ppk2", rest, OPTIONS)
    supply = options.number("supply_v")
    if not options.where:
        ports = ", ".join(found()) or "none"
        raise UsageError("The probe 'ppk2:' needs a port.", f"Write 'ppk2:PORT?supply_v=3.3'. Found here: {ports}.")
    if supply is None or not 0.8 <= supply <= 5.0:
        raise UsageError(
            "A PPK2 needs 'supply_v' from 0.8 to 5 V: it feeds the device with it and measures current alone.",
            f"Write 'ppk2:{options.where}?supply_v=3.3', with your board's voltage.",
        )
    if options.given.get("gate") == "pin" and "pin" not in options.given:
        raise UsageError("'gate=pin' needs the pin.", "Add '&pin=0': the kit's digital channel, 0 to 7.")
    error = options.number("error_pct")
    meter = KIT if error is None else Meter(**{**KIT.__dict__, "gain_pct": error, "accuracy": "as 'error_pct' says"})
    return Ppk2(
        port=options.where,
        options=options,
        supply_v=supply,
        meter=meter,
        gate=options.choice("gate", WAYS, ""),
        pulses=options.choice("pulses", PULSES, "all"),
        pin=options.whole("pin", 0, 7),
    )
