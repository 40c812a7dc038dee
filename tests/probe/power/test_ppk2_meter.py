"""A PPK2 on a pty, driven by the real ppk2-api: energy within 1 % of what was fed, gates, losses, what goes wrong."""

from __future__ import annotations

import builtins
import os
import pty
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgeq.errors import LinkError, UsageError
from edgeq.probe import open_probe
from edgeq.probe.power import ppk2 as ppk2_meter
from edgeq.probe.power.account import account
from edgeq.probe.power.gate import by_edges, work_of
from edgeq.probe.power.ppk2 import FILTERED, Ppk2, captured, currents_ua, frames
from edgeq.run import Series
from edgeq.target import load_target

if sys.platform == "win32":
    pytest.skip("there is no pty", allow_module_level=True)
pytest.importorskip("ppk2_api", reason="ppk2-api is not installed: pip install 'edgeq[ppk2]'")

from ppk2 import CALIBRATION, EmulatedPpk2, metadata, words

BOARD = load_target("nucleo-l4r5zi")
SUPPLY_V = 3.3
EACH_S, EVERY_S, IDLE_A, BUSY_A = 0.005, 0.006, 0.002, 0.014
WARMUP, RUNS = 3, 40
COUNT = 1 + WARMUP + RUNS
EXACT_UJ = (BUSY_A - IDLE_A) * SUPPLY_V * EACH_S * 1e6
TABLE = {key: {str(n): value for n, value in enumerate(values)} for key, values in CALIBRATION.items()}


@dataclass
class Board:
    """A device on the kit: `at_s` seconds after measuring began it runs its inferences, the pin high in each."""

    at_s: float = 0.4
    count: int = COUNT
    pin: int = 3

    def load(self, first: int, t: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        n, rest = np.divmod(t - self.at_s, EVERY_S)
        runs = (n >= 0) & (n < COUNT) & (rest < EACH_S)
        marked = runs & (n >= COUNT - self.count)
        # Two microamperes of ripple, so that codes of the ADC differ.
        ripple = 2e-6 * np.sin(np.arange(first, first + t.size))
        return np.where(runs, BUSY_A, IDLE_A) + ripple, (marked << self.pin).astype(np.uint8)


def told() -> list[Series]:
    each = EACH_S * 1e9
    return [
        Series("first_inference", "ns", "measured", (each,)),
        Series("warmup", "ns", "measured", (each,) * WARMUP),
        Series("invoke", "ns", "measured", (each,) * RUNS),
    ]


def measured(board: Board, options: str = "&pin=3", **kit: Any) -> tuple[Ppk2, EmulatedPpk2]:
    with EmulatedPpk2(board.load, **kit) as emulated:
        probe = open_probe(f"ppk2:{emulated.port}?supply_v={SUPPLY_V}{options}", BOARD)
        assert isinstance(probe, Ppk2)
        probe.start()
        while emulated.sent_s < board.at_s + COUNT * EVERY_S and board.at_s < 5:
            time.sleep(0.01)
        probe.stop()
        end = time.monotonic() + 10
        while 0x07 not in [command[0] for command in emulated.heard[1:]] and time.monotonic() < end:
            time.sleep(0.01)  # The kit reads its last commands when it comes to them.
        time.sleep(0.05)
    return probe, emulated


def test_energy_by_the_trigger_pin_is_within_1_percent() -> None:
    probe, kit = measured(Board())
    energy = account([probe], told(), {}).energy
    assert energy is not None
    assert energy["problem"] == ""
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01)
    assert (energy["tier"], energy["meter"], energy["supply_v"]) == ("T2", "Nordic PPK2", SUPPLY_V)
    assert (energy["pulses"], energy["inferences"], energy["lost_samples"]) == (COUNT, RUNS, 0)
    assert energy["idle_mw"] == pytest.approx(IDLE_A * SUPPLY_V * 1e3, rel=0.01)
    assert set(energy["budget"]) >= {"meter", "supply", "smear", "edges"}
    # Stopped, asked for its calibration, fed the board with 3.3 V, measured, stopped; the board stays fed.
    assert [command[0] for command in kit.heard] == [0x07, 0x19, 0x11, 0x0D, 0x0C, 0x06, 0x07]
    assert kit.vdd_mv == 3300
    assert kit.powered


def test_a_gate_that_is_off_by_one_inference_is_told() -> None:
    probe, _ = measured(Board(count=COUNT - 1))
    energy = account([probe], told(), {}).energy
    assert energy is not None
    assert "off by -1" in energy["problem"]


def test_without_a_pin_the_edges_give_the_energy_of_all_inferences() -> None:
    probe, kit = measured(Board(), options="&gate=edges&off=1")
    end = time.monotonic() + 10
    while kit.powered and time.monotonic() < end:  # the kit reads its last command when it comes to it
        time.sleep(0.01)
    assert not kit.powered
    work = work_of(told())
    assert work is not None
    found = by_edges(probe.capture(), work)
    # The device says nothing of the 1 ms between two, so what is unlike its times is told.
    assert found.seconds == pytest.approx(COUNT * EVERY_S, abs=2 * EVERY_S)
    assert "it is off by" in found.problem


def test_the_kits_clock_is_tied_to_the_hosts() -> None:
    probe, kit = measured(Board(at_s=9))
    tie = probe.capture().tie
    assert tie is not None
    assert tie.to_meter(kit.began_s + 0.3) == pytest.approx(0.3, abs=0.01)
    assert 0 < tie.u_s < 0.01


def test_lost_samples_keep_their_time() -> None:
    probe, _ = measured(Board(), drop=range(60_000, 60_040))
    capture = probe.capture()
    assert capture.lost == 40
    gap = int(np.argmax(np.diff(capture.t_s)))
    assert capture.t_s[gap + 1] - capture.t_s[gap] == pytest.approx(41e-5)
    energy = account([probe], told(), {}).energy
    assert energy is not None
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01)
    assert energy["lost_samples"] == 40


def test_a_lost_byte_does_not_shift_all_that_follows() -> None:
    probe, _ = measured(Board(), cut=60_000)
    capture = probe.capture()
    assert 1 <= capture.lost <= 64
    assert capture.power_mw.max() < BUSY_A * SUPPLY_V * 1e3 * 1.01
    energy = account([probe], told(), {}).energy
    assert energy is not None
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01)


def test_samples_that_the_counter_does_not_miss_are_told_by_the_clock() -> None:
    """The counter has six bits: of 19200 lost samples it tells nothing, and what follows seems 192 ms early."""
    probe, _ = measured(Board(), drop=range(10_000, 29_200))
    assert probe.capture().lost == 0
    (note,) = probe.capture().notes
    assert note.startswith("About 1") and "ms of the PPK2's samples did not arrive" in note
    energy = account([probe], told(), {}).energy
    assert energy is not None and note in energy["problem"]


def test_more_current_than_the_kit_measures_is_told() -> None:
    amperes = np.full(5000, 0.2)
    amperes[1000:1010] = 50.0
    data = words(amperes, np.zeros(amperes.size, np.uint8)).tobytes()
    assert captured([(0.0, data)], TABLE, SUPPLY_V, None).notes == (
        "10 samples are at the end of the PPK2's largest range: there was more current.",
    )


def library_currents(frames_in: np.ndarray[Any, Any]) -> list[float]:
    """What ppk2-api makes of the same frames, sample by sample."""
    from ppk2_api.ppk2_api import PPK2_API

    ours, theirs = pty.openpty()
    try:
        kit = PPK2_API(os.ttyname(theirs), timeout=1)
        kit.modifiers.update(TABLE)
        kit.current_vdd = SUPPLY_V * 1000
        samples, _ = kit.get_samples(frames_in.astype("<u4").tobytes())
        kit.ser.close()
    finally:
        os.close(ours)
        os.close(theirs)
    return list(samples)


@pytest.mark.parametrize("seed", range(4))
def test_currents_are_those_of_the_library(seed: int) -> None:
    """Conversion at once against the library's, over all ranges and their changes, its filter included."""
    random = np.random.default_rng(seed)
    levels = np.exp(random.uniform(np.log(1e-6), np.log(0.4), 60))
    amperes = np.repeat(levels, random.integers(1, 200, 60)) * random.uniform(0.98, 1.02)
    sent = words(amperes, np.zeros(amperes.size, np.uint8))
    assert currents_ua(sent, TABLE, SUPPLY_V) == pytest.approx(library_currents(sent), rel=1e-7, abs=1e-6)


def test_a_long_recording_is_converted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    amperes = np.resize(np.repeat([1e-5, 0.3, 2e-3], 7), 10_000)
    sent = words(amperes, np.zeros(amperes.size, np.uint8))
    whole = currents_ua(sent, TABLE, SUPPLY_V)
    monkeypatch.setattr(ppk2_meter, "AT_ONCE", 17)
    monkeypatch.setattr(ppk2_meter, "BLOCK", 13)
    assert currents_ua(sent, TABLE, SUPPLY_V) == pytest.approx(whole, rel=1e-12)


def test_the_calibration_is_followed_to_the_adcs_step() -> None:
    amperes = np.repeat([2e-6, 2e-4, 2e-3, 2e-2, 0.2], 500)
    got = currents_ua(words(amperes, np.zeros(amperes.size, np.uint8)), TABLE, SUPPLY_V) / 1e6
    inside = np.arange(amperes.size) % 500 > FILTERED + 1
    assert got[inside] == pytest.approx(amperes[inside], rel=0.01)


def test_frames_of_nothing_and_of_noise() -> None:
    assert frames(b"")[0].size == 0
    assert frames(b"\0\0\0")[0].size == 0
    noise = np.random.default_rng(5).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    found, numbers, _ = frames(noise)
    assert found.size == numbers.size
    assert (np.diff(numbers) > 0).all()
    assert captured([(0.0, b""), (0.1, b"")], TABLE, SUPPLY_V, 0).t_s.size == 0


def test_a_board_can_be_fed_before_it_is_benched() -> None:
    with EmulatedPpk2(Board().load) as emulated:
        probe = open_probe(f"ppk2:{emulated.port}?supply_v=1.8", BOARD)
        assert isinstance(probe, Ppk2)
        probe.feed()
        assert emulated.fed()
        assert emulated.vdd_mv == 1800


def test_a_port_that_is_no_kit_is_told() -> None:
    with EmulatedPpk2(Board().load, text="login: ") as emulated:
        probe = open_probe(f"ppk2:{emulated.port}?supply_v=3.3", BOARD)
        with pytest.raises(LinkError, match="does not answer as a PPK2 does"):
            probe.start()
    with pytest.raises(LinkError, match="cannot be opened"):
        open_probe("ppk2:/dev/null/nothing?supply_v=3.3", BOARD).start()


def test_a_damaged_calibration_is_told() -> None:
    """As on devzone.nordicsemi.com/f/nordic-q-a/92921, where R0 was 3e27 ohm."""
    broken = {**CALIBRATION, "R": [3095044895830869060112875520.0, 101.65, 10.15, 0.94, 0.043]}
    with EmulatedPpk2(Board().load, text=metadata(broken)) as emulated:
        probe = open_probe(f"ppk2:{emulated.port}?supply_v=3.3", BOARD)
        with pytest.raises(LinkError, match=r"calibration of the PPK2 .* is damaged"):
            probe.start()


def test_a_kit_that_falls_silent_is_told() -> None:
    with EmulatedPpk2(Board().load) as emulated:
        emulated._stream = lambda: None  # type: ignore[method-assign]
        probe = open_probe(f"ppk2:{emulated.port}?supply_v=3.3", BOARD)
        with pytest.raises(LinkError, match="sends no samples"):
            probe.start()


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("", "needs a port"),
        ("/dev/ttyACM0", "needs 'supply_v' from 0.8 to 5 V"),
        ("/dev/ttyACM0?supply_v=12", "needs 'supply_v'"),
        ("/dev/ttyACM0?supply_v=3.3&pin=8", "'pin=8'.*out of range"),
        ("/dev/ttyACM0?supply_v=3.3&gate=pins", "'gate=pins'.*not known"),
        ("/dev/ttyACM0?supply=3.3", "no option 'supply'"),
        ("/dev/ttyACM0?supply_v=3.3&gate=pin", "needs the pin"),
        ("/dev/ttyACM0?supply_v=3.3&mode=sauce", "'mode=sauce'.*not known"),
        ("/dev/ttyACM0?supply_v=3.3&off=yes", "'off=yes'.*not a number"),
        ("/dev/ttyACM0?supply_v=3.3&error_pct=-3", "'error_pct=-3'.*no limit of error"),
        ("/dev/ttyACM0?supply_v=3.3&supply_v=5", "'supply_v' is given twice"),
    ],
)
def test_addresses_that_do_not_do(rest: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_probe(f"ppk2:{rest}", BOARD)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("ppk2_api"):
            raise ImportError(name)
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="ppk2-api, which is not installed") as caught:
        open_probe("ppk2:/dev/ttyACM0?supply_v=3.3", BOARD).start()
    assert "pip install 'edgeq[ppk2]'" in caught.value.hint


def test_reads_that_end_within_a_frame_or_after_a_loss_keep_the_clocks_tied() -> None:
    data = words(np.full(80_000, 1e-3), np.zeros(80_000, np.uint8)).tobytes()
    ends = [*range(399, len(data), 399), len(data)]
    # Some 50 frames in the middle never arrive.
    chunks = [(100 + end / 4 * 1e-5, data[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    chunks = [(when, piece) for when, piece in chunks if not 100.4 < when < 100.4005]
    calibration = {key: {str(n): value for n, value in enumerate(row)} for key, row in CALIBRATION.items()}
    tie = captured(chunks, calibration, SUPPLY_V, None).tie
    assert tie is not None
    assert tie.to_meter(100.8) == pytest.approx(0.8, abs=3e-5)


def test_a_kit_that_is_unplugged_midway_loses_no_bench(caplog: pytest.LogCaptureFixture) -> None:
    emulated = EmulatedPpk2(Board().load)
    probe = open_probe(f"ppk2:{emulated.port}?supply_v={SUPPLY_V}&pin=3&off=1", BOARD)
    probe.start()
    emulated.unplug()
    probe.stop()
    assert not caplog.records  # The library tells the root logger that it cannot write.
    assert isinstance(probe, Ppk2)
    energy = account([probe], told(), {}).energy
    assert energy is not None and "The PPK2 stopped" in energy["problem"]


def test_a_kit_that_is_gone_when_it_is_asked_is_told() -> None:
    emulated = EmulatedPpk2(Board().load)
    probe = open_probe(f"ppk2:{emulated.port}?supply_v={SUPPLY_V}", BOARD)
    heard = threading.Thread(target=lambda: (time.sleep(0.01), emulated.unplug()))
    heard.start()
    with pytest.raises(LinkError):
        probe.start()
    heard.join()
    assert probe.stop() == ()


def test_an_interrupt_while_it_starts_leaves_no_kit_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmulatedPpk2(Board().load) as emulated:
        probe = open_probe(f"ppk2:{emulated.port}?supply_v={SUPPLY_V}", BOARD)
        plain = time.sleep

        def sleep(seconds: float) -> None:
            if seconds == ppk2_meter.SETTLE_S:
                plain(0.1)
                raise KeyboardInterrupt
            plain(seconds)

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(KeyboardInterrupt):
            probe.start()
        end = time.monotonic() + 10
        while [command[0] for command in emulated.heard[-2:]] != [0x06, 0x07]:
            assert time.monotonic() < end
            plain(0.01)
        assert not [thread for thread in threading.enumerate() if thread.name == "ppk2"]
        assert probe.stop() == ()
