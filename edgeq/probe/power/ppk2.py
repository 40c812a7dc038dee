"""Tier 2: Nordic's Power Profiler Kit II, `ppk2:/dev/ttyACM0?supply_v=3.3`, through `ppk2-api`.

Options: `supply_v` (V; what it feeds the device with, or with `mode=ampere` what another supply does), `pin=0` (the
digital channel that the device's trigger pin is wired to), `pulses=steady` (the pin rises for the measured inferences
only), `gate`, `error_pct` (of your own calibration), `off=1` (the device is no longer fed at the end).

The library drives the kit and reads its calibration. A sample is a word of 32 bits: 14 of the ADC, 3 of the range, 6 of
a counter that tells lost samples, 8 digital channels. They are kept as they come and converted at the end, all at once:
one by one, as the library does it, would take half a core while the device measures (6 us each, 100,000 a second).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import LinkError, UsageError
from edgeq.probe.power.gate import PULSES, WAYS
from edgeq.probe.power.meter import CLOCK_OFF, Capture, Floats, Meter, Tie, tie_of
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
TOP_RANGE, TOP_CODE = 4, 0x3FFF
AT_ONCE = 1 << 18
"""So many samples are converted together: a minute has six million, and each step of the formula is an array."""
AWAY_S = 0.05
"""The kit's clock is held against the host's over the last quarter; so much is a busy machine, and no loss."""
Words = NDArray[np.uint32]

KIT = Meter(
    "T2",
    "Nordic PPK2",
    "all that is fed through it: the rail that the kit is wired into",
    gain_pct=20.0,
    accuracy="'better than +-20 %' is what Nordic's listing is quoted with (hackaday.io/project/193628); its User Guide"
    " tells 10 % as typical, 15 % above 50 mA (docs.nordicsemi.com, ug_ppk2, Measurement accuracy, as ppk2lab copies"
    " it); 'error_pct' takes that of your own calibration against a known resistor",
    offset_mw=0.001,
    supply_pct=2.0,
    clock_ppm=100.0,
    ranges=True,
)
"""The kit measures current alone; 2 % is what its regulator, or another supply, is assumed to be off: not stated by the
maker. The offset is the resolution of its smallest range, 0.2 uA, at 5 V."""


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
    source: bool = True
    """It feeds the device itself; else it measures what another supply feeds."""
    off: bool = False
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
        try:
            self._feed()
            self._kit.start_measuring()
            self._reader = threading.Thread(target=self._read, name="ppk2", daemon=True)
            self._reader.start()
            time.sleep(SETTLE_S)
            if not self._chunks:
                raise LinkError(f"The PPK2 at {self.port} sends no samples.", "Unplug it, plug it in again, and retry.")
        except BaseException:  # Also ^C while it settles: nobody stops a probe that never started.
            self._close()
            raise
        self._began_s = time.monotonic()

    def feed(self) -> None:
        """Feed the device and measure nothing: a board that lives on the kit must be fed before it is asked for."""
        try:
            self._feed()
        finally:
            self._close()

    def _feed(self) -> None:
        self._kit = _opened(self.port)
        _calibrated(self._kit, self.port)
        if self.source:
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
        calibration = {key: dict(value) for key, value in self._kit.modifiers.items() if isinstance(value, dict)}
        self._close()
        capture = captured(self._chunks, calibration, self.supply_v, self.pin, self._failure)
        self._chunks.clear()
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
        if self._reader and self._reader is not threading.current_thread():
            self._reader.join()
        kit, self._kit = self._kit, None
        if kit is None:
            return
        # Of a kit that was unplugged nothing of this works; pyserial lets errors of termios through.
        off = [lambda: kit.toggle_DUT_power("OFF")] if self.off else []
        with _quiet():
            for step in (kit.stop_measuring, *off, kit.ser.flush, kit.ser.close):
                with suppress(Exception):
                    step()


@contextmanager
def _quiet() -> Iterator[None]:
    """The library tells the root logger that it cannot write, which nobody asked."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def captured(
    chunks: Sequence[tuple[float, bytes]],
    calibration: Mapping[str, Mapping[str, float]],
    supply_v: float,
    pin: int | None,
    failure: str = "",
) -> Capture:
    """What was read, as (host's monotonic time, bytes), becomes power on the kit's own clock: 10 us a sample."""
    words, index, lost = frames(b"".join(data for _, data in chunks))
    power = currents_ua(words, calibration, supply_v)
    power *= supply_v / 1e3
    t: Floats = np.multiply(index, STEP_S, dtype=np.float64)
    level = (words >> (24 + pin) & 1).astype(np.bool_) if pin is not None else None
    return Capture(
        t_s=t,
        power_mw=power,
        step_s=STEP_S,
        pin=level,
        tie=_tie(chunks, index),
        supply_v=supply_v,
        lost=lost,
        smear_s=FILTERED * STEP_S,
        notes=tuple(filter(None, (failure, _short(chunks, index), _clipped(words)))),
    )


def _clipped(words: Words) -> str:
    """Samples at the end of the largest range: the current was larger than the kit measures."""
    found = int(np.count_nonzero((words & 0x1FFFF) == (TOP_RANGE << 14 | TOP_CODE)))
    return f"{found} samples are at the end of the PPK2's largest range: there was more current." if found else ""


def frames(data: bytes) -> tuple[Words, NDArray[np.int64], int]:
    """Bytes -> words, each one's number among all that were sent, and how many did not arrive.

    The counter runs from 0 to 63. Where it jumps, samples are missing (their number is known up to multiples of 64);
    where it makes no sense any more, bytes are missing, and the next place is looked for at which it does.
    """
    found: list[Words] = []
    firsts: list[int] = []
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
        firsts.append(number)
        number, expected, at = number + take, int(counter[take - 1] + 1) % COUNTS, at + 4 * take
    if not found:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64), 0
    sizes = [piece.size for piece in found]
    numbers = np.arange(sum(sizes))
    numbers += np.repeat(np.array(firsts) - np.cumsum([0, *sizes[:-1]]), sizes)
    return np.concatenate(found), numbers, lost


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
    ranges = np.minimum(words >> 14 & 7, TOP_RANGE).astype(np.uint8)
    table = {key: np.array([values[str(n)] for n in range(5)]) for key, values in calibration.items()}
    amperes = np.empty(words.size)
    for first in range(0, words.size, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        of = {key: values[ranges[part]] for key, values in table.items()}
        adc = (words[part] & TOP_CODE).astype(np.float64) * 4
        plain = (adc - of["O"]) * (1.8 / 163840 / of["R"])
        amperes[part] = of["UG"] * (plain * (of["GS"] * plain + of["GI"]) + (of["S"] * supply_v + of["I"]))
    _filter(amperes, ranges)
    amperes *= 1e6
    return amperes


def _filter(values: Floats, ranges: NDArray[np.uint8]) -> None:
    """Behind a change of range, samples are replaced by the running mean of all before; elsewhere they stay.

    The running mean forgets, so each is a sum over the samples before with falling weights, down to 1e-14. In the
    largest range the first two samples behind a change are not part of it.
    """
    changes = np.flatnonzero(ranges[1:] != ranges[:-1]) + 1
    if not changes.size:
        return
    behind = np.unique(changes[:, None] + np.arange(FILTERED))
    behind = behind[behind < values.size]
    since = behind - changes[np.searchsorted(changes, behind, "right") - 1]
    top = ranges[behind] == TOP_RANGE
    left_out = behind[top & (since < 2)]
    within = np.delete(values, left_out) if left_out.size else values
    ends = behind - np.searchsorted(left_out, behind, "right")
    means = np.empty(behind.size)
    for which, alpha in ((top, ALPHA_4), (~top, ALPHA)):
        means[which] = _running_means(within, ends[which], alpha)
    values[behind] = means


def _running_means(values: Floats, ends: NDArray[np.intp], alpha: float) -> Floats:
    """The running mean `m = alpha x + (1 - alpha) m` at each of `ends`; it begins with the first value."""
    back = np.arange(int(np.ceil(np.log(1e-14) / np.log(1 - alpha))))
    weights = alpha * (1 - alpha) ** back
    weights /= weights.sum()
    found = np.empty(ends.size)
    for first in range(0, ends.size, BLOCK):
        part = slice(first, first + BLOCK)
        found[part] = values[np.maximum(ends[part, None] - back, 0)] @ weights
    return found


def _tie(chunks: Sequence[tuple[float, bytes]], index: NDArray[np.int64]) -> Tie | None:
    if not index.size:
        return None
    return tie_of([when for when, _ in chunks], _ends(chunks, index).tolist(), POLL_S)


def _ends(chunks: Sequence[tuple[float, bytes]], index: NDArray[np.int64]) -> Floats:
    """The end of each chunk on the kit's clock. A read may end within a frame; what was lost took its time, too."""
    frames_by = np.cumsum([len(data) for _, data in chunks]) // 4
    ends: Floats = (index[np.clip(frames_by, 1, index.size) - 1] + 1) * STEP_S
    return ends


def _short(chunks: Sequence[tuple[float, bytes]], index: NDArray[np.int64]) -> str:
    """What the counter cannot tell: it goes on as if nothing were missing where a multiple of 64 samples is.

    Data comes late, never early: where even the earliest of the end is later than the earliest ever was, and
    by more than two quartz clocks can differ, the kit's clock stood still in between.
    """
    if not index.size:
        return ""
    came = np.array([when for when, _ in chunks])
    late = came - _ends(chunks, index)
    last = came >= came[-1] - (came[-1] - came[0]) / 4
    first = int(np.argmin(late))
    missing = float(late[last].min() - late[first]) - CLOCK_OFF * float(came[-1] - came[first])
    if missing <= AWAY_S:
        return ""
    return f"About {missing * 1e3:.0f} ms of the PPK2's samples did not arrive, and its counter does not tell where."


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
        try:
            kit.get_data()
            if kit.get_modifiers():
                break
        except (UnicodeDecodeError, ValueError):
            continue
        except OSError as error:
            raise LinkError(f"The PPK2 at {port} went away: {error}.", "Plug it in again, and retry.") from error
    else:
        raise LinkError(
            f"What is at {port} does not answer as a PPK2 does.", "Unplug it, plug it in again; see 'edgeq probes'."
        )
    values = list(kit.modifiers["R"].values())
    if not all(0 < value < 1e5 for value in values):
        raise LinkError(
            f"The calibration of the PPK2 at {port} is damaged: its resistors are {values} ohm.",
            "Ask Nordic's support for its calibration; what it measures is of no use.",
        )


def found() -> list[str]:
    """The ports at which kits are plugged in; none where the library is missing."""
    try:
        # Some versions of the library give serial numbers, too.
        return [str(port[0] if isinstance(port, tuple) else port) for port in _library().list_devices()]
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
    error = options.error_pct()
    meter = KIT if error is None else Meter(**{**KIT.__dict__, "gain_pct": error, "accuracy": "as 'error_pct' says"})
    return Ppk2(
        port=options.where,
        options=options,
        supply_v=supply,
        meter=meter,
        gate=options.choice("gate", WAYS, ""),
        pulses=options.choice("pulses", PULSES, "all"),
        pin=options.whole("pin", 0, 7),
        source=options.choice("mode", MODES, "source") == "source",
        off=bool(options.whole("off", 0, 1)),
    )
