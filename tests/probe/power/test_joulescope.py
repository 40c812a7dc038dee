"""A Joulescope's messages become a recording; the real driver says that none is plugged in.

No Joulescope was at hand; the driver's calls go to one that stands in for it (`tests/support`). Messages have the form
of the driver's own tests (github.com/jetperch/joulescope_driver, pyjoulescope_driver/test/test_record.py): samples are
counted at the full rate, bits are packed, the lowest first.
"""

from __future__ import annotations

import builtins
import inspect
import time
from typing import Any

import numpy as np
import pytest
from standin_joulescope import FakeDriver

from edgeq.errors import LinkError, UsageError
from edgeq.probe import open_probe
from edgeq.probe.power import joulescope
from edgeq.probe.power.account import account
from edgeq.probe.power.joulescope import SCOPE, Joulescope, captured, found
from edgeq.run import Series
from edgeq.target import load_target

BOARD = load_target("nucleo-l4r5zi")
RATE, FACTOR = 2_000_000, 20
EACH_S, EVERY_S, RUNS, FIRST_S = 0.002, 0.0025, 40, 0.05


def messages(lost: int = -1) -> dict[str, list[tuple[float, dict[str, Any]]]]:
    """0.2 s: 1 mW idle, 21 mW in each of 40 inferences; power at 100 kHz, the input at 2 MHz, in pieces of 1000."""
    fast = np.arange(400_000) / RATE
    n, rest = np.divmod(fast - FIRST_S, EVERY_S)
    busy = (n >= 0) & (n < RUNS) & (rest < EACH_S)
    watts = np.where(busy[::FACTOR], 0.021, 0.001).astype(np.float32)
    found: dict[str, list[tuple[float, dict[str, Any]]]] = {"s/p": [], "s/v": [], "s/gpi/0": []}
    for first in range(0, watts.size, 1000):
        if first == lost:
            continue
        head = {"sample_id": 5000 + first * FACTOR, "sample_rate": RATE, "decimate_factor": FACTOR}
        arrived = 100.0 + (first + 1000) * FACTOR / RATE + 0.003
        piece = watts[first : first + 1000]
        found["s/p"].append((arrived, {**head, "data": piece}))
        found["s/v"].append((arrived, {**head, "data": np.full(piece.size, 1.8, np.float32)}))
        bits = np.packbits(busy[first * FACTOR : (first + 1000) * FACTOR], bitorder="little")
        found["s/gpi/0"].append((arrived, {**head, "decimate_factor": 1, "data": bits}))
    return found


class Recorded(Joulescope):
    """One that has recorded already."""

    def start(self) -> None:
        self._messages = messages()


def test_energy_by_the_input_is_within_1_percent() -> None:
    plain = open_probe("joulescope:?pin=0&pulses=steady", BOARD)
    assert isinstance(plain, Joulescope)
    probe = Recorded(plain.serial, plain.options, plain.meter, plain.gate, plain.pulses, plain.pin, plain.rate)
    probe.start()
    told = [Series("invoke", "ns", "measured", (EACH_S * 1e9,) * RUNS)]
    energy = account([probe], told, {}).energy
    assert energy is not None
    assert energy["energy_uj"] == pytest.approx(20 * EACH_S * 1e3, rel=0.01)
    assert (energy["tier"], energy["pulses"], energy["problem"]) == ("T3", RUNS, "")
    assert energy["supply_v"] == pytest.approx(1.8)


def test_times_are_those_of_the_samples_numbers() -> None:
    capture = captured(messages(lost=4000), "s/gpi/0")
    assert capture.step_s == pytest.approx(1e-5)
    assert capture.lost == 1000
    assert np.diff(capture.t_s).max() == pytest.approx(1001e-5)
    assert capture.pin is not None
    assert capture.pin[capture.power_mw > 10].all()
    assert capture.tie is not None
    assert capture.tie.to_meter(100.103) == pytest.approx(0.1, abs=1e-4)


def test_messages_that_are_missing_are_told() -> None:
    with pytest.raises(UsageError, match="gave no samples"):
        captured({})
    with pytest.raises(UsageError, match="no samples of its input s/gpi/1"):
        captured(messages(), "s/gpi/1")


LIVE_S, LIVE_RUNS = 0.7, 60
"""When, after it was opened, a device on a live one begins, and how often it infers."""


def live_load(t: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    n, rest = np.divmod(t - LIVE_S, EVERY_S)
    busy = (n >= 0) & (n < LIVE_RUNS) & (rest < EACH_S)
    return np.where(busy, 0.021, 0.001), busy


def benched(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, options: str = "") -> Joulescope:
    monkeypatch.setattr(joulescope, "_driver", lambda: driver)
    probe = open_probe(f"joulescope:?pin=0&pulses=steady{options}", BOARD)
    assert isinstance(probe, Joulescope)
    probe.start()
    time.sleep(max(0.0, driver.began_s + LIVE_S + LIVE_RUNS * EVERY_S - time.monotonic()))
    return probe


@pytest.mark.parametrize("model", ["js110", "js220"])
def test_a_whole_recording_through_the_driver_s_calls(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    driver = FakeDriver(live_load, model)
    probe = benched(monkeypatch, driver)
    assert probe.stop() == ()
    told = [Series("invoke", "ns", "measured", (EACH_S * 1e9,) * LIVE_RUNS)]
    energy = account([probe], told, {}).energy
    assert energy is not None
    assert (energy["pulses"], energy["problem"], energy["lost_samples"]) == (LIVE_RUNS, "", 0)
    assert energy["energy_uj"] == pytest.approx(20 * EACH_S * 1e3, rel=0.01)
    auto = "s/i/range/select" if model == "js110" else "s/i/range/mode"
    assert (driver.set[auto], driver.set["h/fs"], driver.set["s/p/ctrl"]) == ("auto", 100_000, 0)
    assert driver.finalized and not driver.opened


def test_samples_that_the_host_lost_are_no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = benched(monkeypatch, FakeDriver(live_load, lost=range(20, 23)))
    probe.stop()
    capture = probe.capture()
    assert capture.lost == 3000
    assert np.isfinite(capture.power_mw).all()
    everything = {"s/p": [(0.0, {**messages()["s/p"][0][1], "data": np.full(9, np.nan)})]}
    with pytest.raises(UsageError, match="lost all of its samples"):
        captured(everything)


def test_one_that_is_unplugged_midway_loses_no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(live_load)
    probe = benched(monkeypatch, driver)
    driver.plugged = False
    probe.stop()
    assert "The Joulescope stopped: jsdrv_publish timed out" in probe.capture().notes[0]
    assert driver.finalized


def test_one_that_is_silent_or_interrupted_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(live_load, silent=True)
    with pytest.raises(LinkError, match="sends no samples"):
        benched(monkeypatch, driver)
    assert driver.finalized
    driver = FakeDriver(live_load)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(joulescope.time, "sleep", interrupted)
        benched(patch, driver)
    assert driver.finalized
    assert not driver._thread.is_alive()


def test_a_js110_has_two_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(live_load, "js110")
    monkeypatch.setattr(joulescope, "_driver", lambda: driver)
    with pytest.raises(UsageError, match="A JS110 has the inputs 0 and 1"):
        open_probe("joulescope:?pin=3", BOARD).start()
    assert driver.finalized


def test_the_stand_in_is_called_as_the_driver_is() -> None:
    real = pytest.importorskip("pyjoulescope_driver", reason="it is not installed: pip install 'edgeq[joulescope]'")
    for name in ("device_paths", "open", "publish", "subscribe", "close", "finalize"):
        theirs, ours = (list(inspect.signature(getattr(of, name)).parameters) for of in (real.Driver, FakeDriver))
        assert ours == theirs


def test_the_real_driver_finds_none() -> None:
    pytest.importorskip("pyjoulescope_driver", reason="it is not installed: pip install 'edgeq[joulescope]'")
    if found():
        pytest.skip("a Joulescope is plugged in")
    with pytest.raises(LinkError, match="no Joulescope to choose by itself; found: none"):
        open_probe("joulescope:", BOARD).start()
    probe = open_probe("joulescope:000415?pin=7", BOARD)
    with pytest.raises(LinkError, match="no Joulescope with the serial number 000415"):
        probe.start()
    assert probe.stop() == ()


def test_addresses_and_the_users_own_accuracy() -> None:
    with pytest.raises(UsageError, match="inputs 0 to 3, and 7"):
        open_probe("joulescope:?pin=5", BOARD)
    with pytest.raises(UsageError, match="no rate of 120,000"):
        open_probe("joulescope:?rate=120000", BOARD)
    probe = open_probe("joulescope:?error_pct=0.3", BOARD)
    assert isinstance(probe, Joulescope)
    assert (probe.meter.gain_pct, probe.meter.accuracy) == (0.3, "as 'error_pct' says")
    assert "assumed" in SCOPE.accuracy


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("pyjoulescope_driver"):
            raise ImportError(name)
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="not installed") as caught:
        open_probe("joulescope:", BOARD).start()
    assert "pip install 'edgeq[joulescope]'" in caught.value.hint
    assert found() == []
