"""Tier 2: a plug that measures the mains and answers over HTTP, `plug:192.168.1.20`: Shelly (from Gen2 on) or Tasmota.

Options: `kind` (shelly, tasmota; asked for where it is not given), `id` (which switch), `every_s`, `idle_s`,
`averaged_s`, `error_pct`. The plug sees the power supply and its losses; it tells a new value about once a second, so
a bench of a minute (`--seconds 60`) is the shortest that says much.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

import numpy as np

from edgeq.errors import LinkError, UsageError
from edgeq.probe.power.gate import WAYS
from edgeq.probe.power.meter import Capture, Meter, Tie
from edgeq.probe.power.options import Options, read_options
from edgeq.run import Series
from edgeq.target import TargetProfile

OPTIONS = ("kind", "id", "every_s", "gate", "error_pct", "idle_s", "averaged_s")
EVERY_S = 0.5
IDLE_S = 3.0
"""Before and after the bench, for idle power."""
AVERAGED_S = 1.0
"""How long a plug averages. One with a HLW8012 counts pulses, and has 0.1 of them a second at 1.2 W
(labparvum.com/shelly-power-plug-s-with-esphome)."""
TIMEOUT_S = 5.0
Reading = tuple[float, float | None]
"""Power in mW, and the mains' voltage in V where it is told."""

PLUG = Meter(
    "T2",
    "plug",
    "the mains: the power supply with its losses, and all that hangs on it",
    gain_pct=5.0,
    accuracy="not stated by the makers: 5 % and 0.5 W are assumed; 'error_pct' takes others",
    offset_mw=500.0,
    clock_ppm=100.0,
)


def parse_shelly(answer: Mapping[str, Any]) -> Reading:
    """`Switch.GetStatus` or `PM1.GetStatus` (shelly-api-docs.shelly.cloud, Gen2): `apower` in W, `voltage` in V."""
    return _power_mw(answer["apower"]), _volts(answer.get("voltage"))


def parse_tasmota(answer: Mapping[str, Any], number: int = 0) -> Reading:
    """`Status 8` (tasmota.github.io, Commands): `StatusSNS`, `ENERGY`, `Power` in W; a list where there are several."""
    energy = answer["StatusSNS"]["ENERGY"]
    power = energy["Power"]
    return _power_mw(power[number] if isinstance(power, list) else power), _volts(energy.get("Voltage"))


def _power_mw(watts: Any) -> float:
    value = float(watts) * 1e3
    if not math.isfinite(value):  # JSON of Python's takes NaN.
        raise ValueError(watts)
    return value


def _volts(value: Any) -> float | None:
    value = value[0] if isinstance(value, list) and value else value
    return float(value) if isinstance(value, (int, float)) else None


KINDS: dict[str, tuple[tuple[str, Callable[[Mapping[str, Any], int], Reading]], ...]] = {
    "shelly": (
        ("/rpc/Switch.GetStatus?id={id}", lambda answer, _: parse_shelly(answer)),
        ("/rpc/PM1.GetStatus?id={id}", lambda answer, _: parse_shelly(answer)),
    ),
    "tasmota": (("/cm?cmnd=Status%208", parse_tasmota),),
}
"""Kind -> where it is asked, and what its answer means."""
NO_POWER = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What a parser raises at an answer of another form."""


@dataclass
class Plug:
    """A thread asks until `stop`. The plug's clock is the host's: a reading is as old as half of the request."""

    url: str
    options: Options
    meter: Meter
    number: int
    every_s: float
    idle_s: float
    gate: str
    averaged_s: float = AVERAGED_S
    pulses: str = "all"
    _ask: Callable[[], Reading] | None = None
    _rows: list[tuple[float, float, Reading]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _missed: int = 0
    _failure: str = ""
    _bench_s: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        return self.options.name

    def start(self) -> None:
        self._ask = self._found()
        self._thread = threading.Thread(target=self._read, name="plug", daemon=True)
        self._thread.start()
        try:
            time.sleep(self.idle_s)
        except BaseException:  # ^C while it rests: nobody stops a probe that never started.
            self._over.set()
            raise
        self._bench_s = (time.monotonic(), 0.0)

    def stop(self) -> Sequence[Series]:
        self._bench_s = (self._bench_s[0], time.monotonic())
        time.sleep(self.idle_s)
        self._over.set()
        if self._thread:
            self._thread.join()
        return ()

    def capture(self) -> Capture:
        rows = self._rows
        if len(rows) < 2:
            raise UsageError(
                " ".join(filter(None, (f"The plug at {self.url} answered {len(rows)} times.", self._failure))),
                "Bench for longer: --seconds 60.",
            )
        first = rows[0][0]
        # A value is the mean of the last moment: it knows of the bench for as long after its end.
        begin, end = self._bench_s
        t = np.array([(before + after) / 2 - first for before, after, _ in rows])
        p = np.array([reading[0] for *_, reading in rows])
        volts = [volt for *_, (_, volt) in rows if volt is not None]
        unsure = float(np.median([after - before for before, after, _ in rows])) / 2 / 3**0.5
        return Capture(
            t_s=t,
            power_mw=p,
            step_s=float(np.median(np.diff(t))),
            tie=Tie(first, 0.0, unsure),
            supply_v=round(float(np.mean(volts)), 2) if volts else None,
            lost=self._missed,
            averaged_s=self.averaged_s,
            notes=(f"The plug fell silent: {self._failure}",) if self._failure and rows[-1][1] < end else (),
        ).around(begin, end + self.averaged_s)

    def _found(self) -> Callable[[], Reading]:
        """The first way to ask that gives an answer with a power in it."""
        wanted = self.options.given.get("kind")
        tried = []
        for kind in [wanted] if wanted else KINDS:
            for path, parse in KINDS[kind]:
                place = self.url + path.format(id=self.number)
                try:
                    parse(_get(place), self.number)
                except LinkError as error:
                    if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, HTTPError):
                        raise  # Nobody is there to be asked in another way.
                    tried.append(error.message)
                except NO_POWER:
                    tried.append(f"{place} tells no power.")
                else:
                    return lambda place=place, parse=parse: parse(_get(place), self.number)  # type: ignore[misc]
        raise LinkError(
            f"Nothing at {self.url} answers as a plug that measures: {' '.join(tried)}",
            "Give the plug's address; one with a password must be opened first.",
        )

    def _read(self) -> None:
        while not self._over.is_set():
            before = time.monotonic()
            try:
                assert self._ask is not None
                reading = self._ask()
                self._rows.append((before, time.monotonic(), reading))
            except (LinkError, *NO_POWER) as error:
                self._missed += 1
                self._failure = error.message if isinstance(error, LinkError) else "It tells no power any more."
            self._over.wait(max(0.0, self.every_s - (time.monotonic() - before)))


def _get(url: str) -> Mapping[str, Any]:
    """A JSON document from the local network, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read(1 << 16))
    except (OSError, ValueError, HTTPException) as error:
        raise LinkError(f"{url}: {error}.", "Is the plug on, and in this network?") from error
    if not isinstance(found, dict):
        raise LinkError(f"{url} does not answer with an object.", "Give the plug's address.")
    return found


def open_address(rest: str, target: TargetProfile) -> Plug:  # noqa: ARG001 - a factory's fixed signature
    """`rest` is a host, `host:port` or `http://host`, with options."""
    options = read_options("plug", rest, OPTIONS)
    host = options.where.removeprefix("http://").strip("/")
    if not host or "://" in host or "/" in host:
        raise UsageError("The probe 'plug:' needs a plug's address.", "Write 'plug:192.168.1.20' or 'plug:HOST:PORT'.")
    options.choice("kind", tuple(KINDS), "")
    error = options.error_pct()
    own = {"gain_pct": error, "accuracy": "as 'error_pct' says"} if error is not None else {}
    every_s, idle_s = options.number("every_s", EVERY_S), options.number("idle_s", IDLE_S)
    if not every_s or every_s < 0.05:
        raise UsageError(f"'{options.name}' asks too often.", "Give 'every_s' of at least 0.05.")
    if idle_s is None or not 0 <= idle_s <= 600:
        raise UsageError(f"'idle_s={idle_s:g}' in '{options.name}' is no time to rest.", "Give seconds, up to 600.")
    averaged_s = options.number("averaged_s", AVERAGED_S)
    if averaged_s is None or not 0 <= averaged_s <= 60:
        raise UsageError(f"'averaged_s={averaged_s:g}' in '{options.name}' is out of range.", "Give 0 to 60 seconds.")
    return Plug(
        url=f"http://{host}",
        options=options,
        meter=Meter(**{**PLUG.__dict__, **own}),
        number=options.whole("id", 0, 99) or 0,
        every_s=every_s,
        idle_s=idle_s,
        gate=options.choice("gate", WAYS[1:], ""),
        averaged_s=averaged_s,
    )
