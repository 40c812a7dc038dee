"""Tier 3: a Joulescope (JS110, JS220, JS320), `joulescope:` or `joulescope:SERIAL?pin=0`, by `pyjoulescope_driver`.

Options: `pin` (the general-purpose input, 0 to 3, or 7 for the trigger, that the device's trigger pin is wired to; a
JS110 has 0 and 1), `pulses=steady`, `gate`, `rate` (samples a second, 100,000), `error_pct`. It measures voltage, too,
so no supply is given. Opening one may cut the device's power for a moment (github.com/jetperch/pyjoulescope/issues/11).

No Joulescope was at hand: the real driver has run only as far as it goes without one. The rest is tested with one that
stands in for it, with the topics, values and refusals of the driver 2.2.12 (its record.py and the metadata in its
binary).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import LinkError, UsageError
from edgeq.probe.power.gate import PULSES, WAYS
from edgeq.probe.power.meter import Capture, Floats, Meter, Tie, tie_of
from edgeq.probe.power.options import Options, read_options
from edgeq.run import Series
from edgeq.target import TargetProfile

OPTIONS = ("pin", "pulses", "gate", "rate", "error_pct")
RATE = 100_000
RATES = (*(digit * 10**power for power in (3, 4, 5) for digit in (1, 2, 5)), 1_000_000, 2_000_000)
"""The driver's options of `h/fs`, as far as they follow an inference."""
RANGES = {
    "js110": {"s/i/range/select": "auto", "s/v/range/select": "15 V"},
    "js220": {"s/i/range/mode": "auto", "s/v/range/mode": "auto"},
}
"""Model -> topics that let it choose its ranges; later ones keep their defaults, which do."""
SETTLE_S = 0.5
"""Before and after the bench, for idle power."""
ARRIVES_S = 0.01
"""How late the driver hands over at the most, where the machine is not busy; assumed."""
POWER, VOLTAGE = "s/p", "s/v"
ERRORS = (RuntimeError, TimeoutError, ValueError, OSError)
"""What the driver raises."""
Message = tuple[float, Mapping[str, Any]]
"""The host's monotonic time of arrival, and what the driver handed over: `sample_id`, `sample_rate`,
`decimate_factor` and `data`; a sample's id counts at `sample_rate`, whatever the decimation."""

SCOPE = Meter(
    "T3",
    "Joulescope",
    "all that is fed through it: current and voltage at its output",
    gain_pct=1.5,
    accuracy="a JS110's current in its 2 A range: 0.3 % and 1.5 mA (its guide, as the maker quotes it,"
    " forum.joulescope.com/t/388), which is 0.8 % at the range's lower end; 1.5 % is assumed for power, for all ranges"
    " and for later models, whose guide has better ones: 'error_pct' takes them",
    offset_mw=0.001,
    clock_ppm=50.0,
    ranges=True,
)


@dataclass
class Joulescope:
    """Opened at `start`; the driver's own thread hands over what is measured."""

    serial: str
    options: Options
    meter: Meter
    gate: str
    pulses: str
    pin: int | None
    rate: int
    _driver: Any = None
    _path: str = ""
    _failure: str = ""
    _messages: dict[str, list[Message]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _bench_s: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        return self.options.name

    def start(self) -> None:
        self._driver = _driver()
        try:
            self._open()
            time.sleep(SETTLE_S)
            if not self._messages.get(POWER):
                raise LinkError(
                    f"The Joulescope {self._path} sends no samples.", "Unplug it, plug it in again, and retry."
                )
        except BaseException:  # Also ^C while it settles: nobody stops a probe that never started.
            self._finish()
            raise
        self._bench_s = (time.monotonic(), 0.0)

    def _open(self) -> None:
        try:
            self._path = _chosen(self._driver.device_paths(), self.serial)
            if _model(self._path) == "js110" and self.pin not in (None, 0, 1):
                raise UsageError("A JS110 has the inputs 0 and 1 alone.", "Correct 'pin='.")
            self._driver.open(self._path, mode="defaults")
            for topic, value in RANGES.get(_model(self._path), {}).items():
                self._publish(topic, value)
            self._publish("h/fs", self.rate)
            for topic in self._topics():
                self._driver.subscribe(f"{self._path}/{topic}/!data", "pub", self._take)
                self._publish(f"{topic}/ctrl", 1)
        except ERRORS as error:
            raise LinkError(
                f"The Joulescope {self._path or self.serial} cannot be opened: {error}.",
                "Close other programs that use it (its own UI, too), and plug it in again.",
            ) from error

    def stop(self) -> Sequence[Series]:
        if self._driver is None:
            return ()
        self._bench_s = (self._bench_s[0], time.monotonic())
        time.sleep(SETTLE_S)
        try:
            for topic in self._topics():
                self._publish(f"{topic}/ctrl", 0)
            self._driver.close(self._path)
        except ERRORS as error:  # Unplugged: what came by then is kept.
            self._failure = f"The Joulescope stopped: {error}."
        finally:
            self._finish()
        return ()

    def capture(self) -> Capture:
        with self._lock:
            capture = captured(self._messages, f"s/gpi/{self.pin}" if self.pin is not None else "")
        capture = replace(capture, notes=(self._failure,) if self._failure else ())
        return capture.around(*self._bench_s) if self._bench_s[1] else capture

    def _topics(self) -> list[str]:
        return [POWER, VOLTAGE] + ([f"s/gpi/{self.pin}"] if self.pin is not None else [])

    def _publish(self, topic: str, value: Any) -> None:
        self._driver.publish(f"{self._path}/{topic}", value)

    def _take(self, topic: str, value: Mapping[str, Any]) -> None:
        kept = {key: value[key] for key in ("sample_id", "sample_rate", "decimate_factor")}
        # The driver may use its buffer again.
        message = (time.monotonic(), {**kept, "data": np.array(value["data"])})
        with self._lock:
            self._messages.setdefault(topic.removeprefix(f"{self._path}/").removesuffix("/!data"), []).append(message)

    def _finish(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            with suppress(*ERRORS):
                driver.finalize()


def captured(messages: Mapping[str, Sequence[Message]], pin: str = "") -> Capture:
    """Messages by topic (`s/p` in W, `s/v` in V, `s/gpi/N` as packed bits, the lowest first) -> a recording."""
    if not messages.get(POWER):
        raise UsageError("The Joulescope gave no samples.", "Check that current flows through it, then bench again.")
    t, watts, lost = _joined(messages[POWER])
    # The driver fills in for samples that the host lost with NaN.
    there = np.isfinite(watts)
    t, watts, lost = t[there], watts[there], lost + int(np.count_nonzero(~there))
    if not t.size:
        raise UsageError("The Joulescope lost all of its samples.", "Plug it into this machine itself, not into a hub.")
    start = float(t[0])
    level = None
    if pin:
        if not messages.get(pin):
            raise UsageError(f"The Joulescope gave no samples of its input {pin}.", "Choose another 'pin='.")
        times, bits, _ = _joined(messages[pin], packed=True)
        at = np.clip(np.searchsorted(times, t, "right") - 1, 0, None)
        level = bits[at] > 0.5
    volts = messages.get(VOLTAGE)
    supply = _mean_v(_joined(volts)[1]) if volts else None
    step = messages[POWER][0][1]["decimate_factor"] / messages[POWER][0][1]["sample_rate"]
    return Capture(t - start, watts * 1e3, float(step), level, _tie(messages[POWER], start), supply, lost)


def _mean_v(volts: Floats) -> float | None:
    there = volts[np.isfinite(volts)]
    return round(float(there.mean()), 4) if there.size else None


def _joined(messages: Sequence[Message], packed: bool = False) -> tuple[Floats, Floats, int]:
    """Times in s, values, and how many samples lie between messages and did not arrive."""
    times: list[Floats] = []
    values: list[Floats] = []
    lost, expected = 0, None
    for _, message in messages:
        data: NDArray[Any] = message["data"]
        if packed:
            data = np.unpackbits(np.ascontiguousarray(data).view(np.uint8), bitorder="little")
        factor, first = int(message["decimate_factor"]), int(message["sample_id"])
        if expected is not None and first > expected:
            lost += (first - expected) // factor
        expected = first + data.size * factor
        times.append((first + np.arange(data.size) * factor) / float(message["sample_rate"]))
        values.append(np.asarray(data, np.float64))
    return np.concatenate(times), np.concatenate(values), lost


def _tie(messages: Sequence[Message], start: float) -> Tie | None:
    ends = [
        (m["sample_id"] + np.asarray(m["data"]).size * m["decimate_factor"]) / m["sample_rate"] - start
        for _, m in messages
    ]
    return tie_of([when for when, _ in messages], ends, ARRIVES_S)


def _driver() -> Any:
    try:
        from pyjoulescope_driver import Driver
    except ImportError as error:
        raise UsageError(
            "A Joulescope needs the library pyjoulescope_driver, which is not installed.",
            "Run: pip install 'edgeq[joulescope]'",
        ) from error
    return Driver()


def _model(path: str) -> str:
    """`js220` of `u/js220/000415`."""
    return path.split("/")[1] if path.count("/") > 1 else ""


def _chosen(paths: Sequence[str], serial: str) -> str:
    """`u/js220/000415`: the one with the serial number, or the only one."""
    fitting = [path for path in paths if not serial or path.rpartition("/")[2] == serial]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(paths) or "none"
    wanted = f"with the serial number {serial}" if serial else "to choose by itself"
    raise LinkError(f"There is no Joulescope {wanted}; found: {listed}.", "Plug one in, or write 'joulescope:SERIAL'.")


def found() -> list[str]:
    """The serial numbers of what is plugged in; none where the library is missing."""
    try:
        driver = _driver()
    except (UsageError, *ERRORS):
        return []
    try:
        return [str(path).rpartition("/")[2] for path in driver.device_paths()]
    finally:
        driver.finalize()


def open_address(rest: str, target: TargetProfile) -> Joulescope:  # noqa: ARG001 - a factory's fixed signature
    """`rest` is empty or a serial number, with options."""
    options = read_options("joulescope", rest, OPTIONS)
    pin = options.whole("pin", 0, 7)
    if pin in (4, 5, 6):
        raise UsageError("A Joulescope has the inputs 0 to 3, and 7, the trigger.", "Correct 'pin='.")
    if options.given.get("gate") == "pin" and pin is None:
        raise UsageError("'gate=pin' needs the pin.", "Add 'pin=0': the general-purpose input, 0 to 3, or 7.")
    error = options.error_pct()
    rate = options.whole("rate", RATES[0], RATES[-1]) or RATE
    if rate not in RATES:
        raise UsageError(f"A Joulescope has no rate of {rate:,} a second.", f"Choose of {', '.join(map(str, RATES))}.")
    own = {"gain_pct": error, "accuracy": "as 'error_pct' says"} if error is not None else {}
    return Joulescope(
        serial=options.where,
        options=options,
        meter=Meter(**{**SCOPE.__dict__, **own}),
        gate=options.choice("gate", WAYS, ""),
        pulses=options.choice("pulses", PULSES, "all"),
        pin=pin,
        rate=rate,
    )
