"""A Joulescope's messages become a recording; the real driver says that none is plugged in.

No Joulescope was at hand. Messages have the form of the driver's own tests (github.com/jetperch/joulescope_driver,
pyjoulescope_driver/test/test_record.py): samples are counted at the full rate, bits are packed, the lowest first.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from edgeq.errors import LinkError, UsageError
from edgeq.probe import open_probe
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
