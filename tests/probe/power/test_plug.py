"""Plugs over HTTP: a real server that answers as a Shelly and as a Tasmota do, and one that does not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from agents import until

from edgeq.errors import LinkError, UsageError
from edgeq.probe import open_probe
from edgeq.probe.power.account import account
from edgeq.probe.power.plug import Plug, parse_shelly, parse_tasmota
from edgeq.run import Series
from edgeq.target import load_target

PI = load_target("rpi4")

# A Shelly Plus's answer as in github.com/evcc-io/evcc, meter/shelly/gen2_test.go.
SHELLY = {
    "id": 0,
    "source": "HTTP",
    "output": False,
    "apower": 47.11,
    "voltage": 232.0,
    "current": 0.0,
    "pf": 0.0,
    "aenergy": {"total": 5.125, "by_minute": [0.0, 0.0, 0.0], "minute_ts": 1675718520},
    "temperature": {"tC": 25.3, "tF": 77.5},
}
# blog.mylocalbytes.com/kb/2022-01-10/LB-PM-Power-Monitoring; over HTTP it is wrapped in StatusSNS.
TASMOTA = {
    "StatusSNS": {
        "Time": "2022-01-11T21:57:38",
        "ENERGY": {
            "TotalStartTime": "2020-10-21T22:15:00",
            "Total": 3.705,
            "Yesterday": 0.028,
            "Today": 0.026,
            "Period": 1,
            "Power": 5,
            "ApparentPower": 5,
            "ReactivePower": 0,
            "Factor": 1.00,
            "Voltage": 233,
            "Current": 0.021,
        },
    }
}


@contextmanager
def serving(answers: dict[str, Callable[[], Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path)
            self.send_response(200 if answer else 404)
            self.end_headers()
            if answer:
                self.wfile.write(json.dumps(answer()).encode())

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_answers_of_plugs() -> None:
    assert parse_shelly(SHELLY) == (47110.0, 232.0)
    assert parse_tasmota(TASMOTA) == (5000.0, 233.0)
    several = {"StatusSNS": {"ENERGY": {"Power": [1, 2.5], "Voltage": [230, 231]}}}
    assert parse_tasmota(several, 1) == (2500.0, 230.0)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/rpc/Switch.GetStatus?id=0", SHELLY),
        ("/rpc/PM1.GetStatus?id=0", SHELLY),
        ("/cm?cmnd=Status%208", TASMOTA),
    ],
)
def test_it_finds_out_which_plug_answers(path: str, answer: Any) -> None:
    with serving({path: lambda: answer}) as host:
        probe = open_probe(f"plug:{host}?every_s=0.05&idle_s=0.15", PI)
        assert isinstance(probe, Plug)
        probe.start()
        probe.stop()
    capture = probe.capture()
    assert capture.t_s.size >= 2
    assert set(capture.power_mw) == {47110.0 if answer is SHELLY else 5000.0}
    assert capture.supply_v in (232.0, 233.0)


EACH, RUNS = 0.01, 150
IDLE_W, BUSY_W = 3.0, 5.0
EXACT_UJ = (BUSY_W - IDLE_W) * EACH * 1e6


def energy_of(probe: Plug, began: float) -> dict[str, Any]:
    """The account of a bench that the device began at `began` of this machine's clock."""
    times = tuple(n * EACH for n in range(RUNS))
    told = [Series("invoke", "ns", "measured", (EACH * 1e9,) * RUNS, t_s=times)]
    energy = account([probe], told, {"began_ns": 0, "clock": [(0, began - 0.001, began + 0.001)]}).energy
    assert energy is not None
    return dict(energy)


def test_energy_of_a_bench_at_the_mains() -> None:
    """In real time, so that a busy machine shifts what is read when: energy is known as well as it says."""
    began = time.monotonic() + 1.2
    seconds = RUNS * EACH

    def now() -> dict[str, Any]:
        return {**SHELLY, "apower": BUSY_W if began <= time.monotonic() < began + seconds else IDLE_W}

    with serving({"/rpc/Switch.GetStatus?id=0": now}) as host:
        probe = open_probe(f"plug:{host}?every_s=0.05&idle_s=1.2", PI)
        assert isinstance(probe, Plug)
        probe.start()
        time.sleep(seconds)
        probe.stop()
    energy = energy_of(probe, began)
    assert energy["gate"] == "markers"
    assert abs(energy["energy_uj"] - EXACT_UJ) < energy["uncertainty_uj"] < EXACT_UJ
    assert energy["supply_v"] == 232.0
    assert "assumed" in energy["accuracy"]


@pytest.mark.parametrize(("silent", "within"), [((0.0, 0.0), 0.03), ((0.9, 1.4), 0.2), ((1.5, 2.0), 0.2)])
def test_energy_of_what_a_plug_told(silent: tuple[float, float], within: float) -> None:
    """The bench runs from 1 s to 2.5 s; a plug that is silent across an edge knows less, and says so."""
    probe = open_probe("plug:127.0.0.1?every_s=0.05&averaged_s=0", PI)
    assert isinstance(probe, Plug)
    began, end = 1.0, 1.0 + RUNS * EACH
    for step in range(71):
        at = step * 0.05
        if not silent[0] < at < silent[1]:
            watts = BUSY_W if began <= at < end else IDLE_W
            probe._rows.append((at - 0.002, at + 0.002, (watts * 1e3, 230.0)))
    probe._bench_s = (began, end)
    energy = energy_of(probe, began)
    off = abs(energy["energy_uj"] - EXACT_UJ)
    assert off < within * EXACT_UJ and off < energy["uncertainty_uj"]
    assert ("lost" in energy["budget"]) == (silent != (0.0, 0.0))
    if silent[0] < began < silent[1]:  # For 0.45 s nobody saw when the 2 W came.
        assert energy["budget"]["lost"] == pytest.approx(2000 * 0.45 / 12**0.5 / RUNS * 1e3, rel=0.01)


def test_a_plug_that_falls_silent_for_a_moment_is_counted() -> None:
    asked: list[int] = []
    answers = iter([SHELLY] * 3 + [{"restarting": True}] + [SHELLY] * 1000)
    with serving({"/rpc/Switch.GetStatus?id=0": lambda: asked.append(0) or next(answers)}) as host:
        probe = open_probe(f"plug:{host}?every_s=0.05&idle_s=0.3", PI)
        probe.start()
        until(lambda: len(asked) > 4)
        probe.stop()
    assert isinstance(probe, Plug)
    assert probe.capture().lost == 1


def test_a_plug_that_falls_silent_for_good_is_told() -> None:
    """From the fourth time on it answers with something else, then with nothing that HTTP knows."""
    asked: list[int] = []
    answers = iter([SHELLY] * 3 + [{"StatusSNS": []}] * 1000)
    with serving({"/rpc/Switch.GetStatus?id=0": lambda: asked.append(0) or next(answers)}) as host:
        probe = open_probe(f"plug:{host}?every_s=0.05&idle_s=0.2", PI)
        probe.start()
        until(lambda: len(asked) > 4)
    assert isinstance(probe, Plug)
    until(lambda: "http://" in probe._failure)  # The server is gone.
    probe.stop()
    (note,) = probe.capture().notes
    assert note.startswith("The plug fell silent: http://127.0.0.1:")
    assert probe.capture().lost >= 2
    told = [Series("invoke", "ns", "measured", (1e7,) * 10, t_s=tuple(n / 100 for n in range(10)))]
    began = time.monotonic() + 5
    energy = account([probe], told, {"began_ns": 0, "clock": [(0, began, began)]}).energy
    assert energy is not None and energy["energy_uj"] is None
    assert note in energy["problem"]


def test_a_power_that_is_no_number_is_none() -> None:
    for answer in ({"apower": float("nan")}, {"apower": None}, {}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            parse_shelly(answer)


def test_an_interrupt_while_it_rests_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with serving({"/rpc/Switch.GetStatus?id=0": lambda: SHELLY}) as host:
        probe = open_probe(f"plug:{host}?every_s=0.05", PI)
        assert isinstance(probe, Plug)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(time, "sleep", interrupted)
            probe.start()
        assert probe._thread is not None
        probe._thread.join(5)
        assert not probe._thread.is_alive()


def test_what_is_no_plug_is_told() -> None:
    with pytest.raises(LinkError, match="nonnumeric port"):
        open_probe("plug:localhost:http", PI).start()
    with pytest.raises(LinkError, match=r"^http://127.0.0.1:1/rpc/Switch.GetStatus\?id=0: .*refused") as refused:
        open_probe("plug:127.0.0.1:1", PI).start()
    assert "Is the plug on" in refused.value.hint
    with serving({"/": dict}) as host, pytest.raises(LinkError, match=r"Nothing at .* answers as a plug") as caught:
        open_probe(f"plug:{host}", PI).start()
    assert "404" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "said"), [({"Command": "Unknown"}, "tells no power"), ([1], "does not answer with an object")]
)
def test_a_plug_that_tells_no_power_is_told(answer: Any, said: str) -> None:
    with serving({"/cm?cmnd=Status%208": lambda: answer}) as host, pytest.raises(LinkError, match=said):
        open_probe(f"plug:{host}?kind=tasmota", PI).start()


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("", "needs a plug's address"),
        ("ftp://1.2.3.4", "needs a plug's address"),
        ("1.2.3.4?kind=kasa", "'kind=kasa'.*not known"),
        ("1.2.3.4?every_s=0", "asks too often"),
        ("1.2.3.4?idle_s=-1", "'idle_s=-1'.*no time to rest"),
        ("1.2.3.4?error_pct=0", "no limit of error"),
        ("1.2.3.4?averaged_s=100", "'averaged_s=100'.*out of range"),
        ("1.2.3.4?gate=pin", "'gate=pin'.*not known"),
    ],
)
def test_addresses_that_do_not_do(rest: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_probe(f"plug:{rest}", PI)
