"""Gates and accounts against closed forms: a device whose power and times are known, watched by a meter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.probe import open_probe
from edgeq.probe.base import Probe
from edgeq.probe.power.account import account
from edgeq.probe.power.gate import Work, by_edges, by_markers, by_pin, work_of
from edgeq.probe.power.meter import CLOCK_OFF, MOST_POINTS, Capture, Meter, Tie, means, power_series, tie_of
from edgeq.probe.power.onboard import Onboard
from edgeq.probe.power.t0 import ProfilePower
from edgeq.run import Series
from edgeq.target import load_target

METER = Meter("T2", "a meter", "a rail", gain_pct=1.0, accuracy="a data sheet", clock_ppm=50.0)
IDLE, BUSY, EACH, BETWEEN = 100.0, 400.0, 0.010, 0.002
WARMUP, RUNS = 5, 50
"""mW, mW, and seconds: an inference of 10 ms takes 400 mW, 2 ms lie between two, and 100 mW are idle."""


@dataclass
class Recorded:
    """A meter that has recorded already."""

    recording: Capture
    meter: Meter = METER
    gate: str = ""
    pulses: str = "all"
    name: str = "recorded:"

    def start(self) -> None: ...

    def stop(self) -> list[Series]:
        return []

    def capture(self) -> Capture:
        return self.recording


def begins(first: float, count: int = 1 + WARMUP + RUNS) -> np.ndarray[Any, Any]:
    return first + np.arange(count) * (EACH + BETWEEN)


def recording(rate: float = 20_000.0, first: float = 0.5, pulses: int | None = None, noise: float = 0.0) -> Capture:
    """Half a second idle, the inferences, half a second idle; the pin is high while one runs."""
    t = np.arange(0, first + (1 + WARMUP + RUNS) * (EACH + BETWEEN) + 0.5, 1 / rate)
    pin = np.zeros(t.size, bool)
    for begin in begins(first):
        pin |= (t >= begin) & (t < begin + EACH)
    p = np.where(pin, BUSY, IDLE) + np.random.default_rng(1).normal(0, noise, t.size)
    for begin in begins(first)[: (1 + WARMUP + RUNS) - (pulses if pulses is not None else 1 + WARMUP + RUNS)]:
        pin[(t >= begin) & (t < begin + EACH)] = False
    return Capture(t, p, 1 / rate, pin=pin)


def told(begin: float | None = 0.0, count: int = RUNS) -> list[Series]:
    """What the device says: each inference took 10 ms; `begin` is the first one's, on its own clock."""
    starts = tuple(begins(begin)[1 + WARMUP :].tolist()) if begin is not None else ()
    return [
        Series("first_inference", "ns", "measured", (EACH * 1e9,)),
        Series("warmup", "ns", "measured", (EACH * 1e9,) * WARMUP),
        Series("invoke", "ns", "measured", (EACH * 1e9,) * count, t_s=starts if count == RUNS else ()),
    ]


def work(begin: float | None = 0.0) -> Work:
    found = work_of(told(begin))
    assert found is not None
    return found


EXACT_UJ = (BUSY - IDLE) * EACH * 1e3


def energy_of(probe: Probe, series: list[Series], **answer: Any) -> dict[str, Any]:
    found = account([probe], series, answer).energy
    assert found is not None
    return dict(found)


def test_by_the_pin_energy_is_exact() -> None:
    energy = energy_of(Recorded(recording()), told())
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.005)
    assert (energy["gate"], energy["pulses"], energy["inferences"]) == ("pin, 56 pulses", 56, RUNS)
    assert energy["problem"] == ""
    assert energy["idle_mw"] == pytest.approx(IDLE)
    assert energy["gate_s"] == pytest.approx(RUNS * EACH)


def test_the_budget_adds_as_squares_and_is_told_at_k_2() -> None:
    energy = energy_of(Recorded(recording(noise=5.0)), told())
    budget = energy["budget"]
    assert set(budget) == {"edges", "idle_noise", "idle_drift", "meter", "clock"}
    assert energy["uncertainty_uj"] == pytest.approx(2 * np.hypot.reduce(list(budget.values())))
    assert budget["meter"] == pytest.approx(energy["energy_uj"] * 0.01 / np.sqrt(3))
    # Two edges of each pulse, anywhere within 50 us, of 300 mW, independent of each other.
    assert budget["edges"] == pytest.approx(300 * 50e-6 / np.sqrt(12) * np.sqrt(2 / RUNS) * 1e3, rel=0.02)


def test_loading_the_model_is_not_taken_for_idle() -> None:
    capture = recording()
    loading = (capture.t_s > 0.2) & (capture.t_s < 0.5)
    capture = replace(capture, power_mw=np.where(loading, BUSY, capture.power_mw), tie=Tie(50.0, 0.0, 0.0))
    end = float(capture.t_s[-1]) - 0.4
    assert energy_of(Recorded(capture), told())["idle_mw"] > 1.3 * IDLE
    energy = energy_of(Recorded(capture.around(50.2, 50.0 + end)), told())
    assert energy["idle_mw"] == pytest.approx(IDLE)
    assert energy["idle"] == "subtracted, from before and after the inferences"


@pytest.mark.parametrize("off", [-1, -7])
def test_a_gate_that_is_off_by_inferences_is_told(off: int) -> None:
    energy = energy_of(Recorded(recording(pulses=1 + WARMUP + RUNS + off)), told())
    assert f"rose {56 + off} times for 56 inferences: it is off by {off:+d}" in energy["problem"]
    # What was gated is still divided by what was counted; what was not is taken for idle.
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.07)


def test_pulses_of_the_steady_inferences_alone_have_to_be_announced() -> None:
    steady = recording(pulses=RUNS)
    assert "off by -6" in energy_of(Recorded(steady), told())["problem"]
    assert energy_of(Recorded(steady, pulses="steady"), told())["problem"] == ""
    assert "off by +6" in energy_of(Recorded(recording(), pulses="steady"), told())["problem"]


def test_pulses_that_last_longer_than_an_inference_are_told() -> None:
    slow = [replace(series, values=tuple(value * 0.8 for value in series.values)) for series in told()]
    assert (
        "A pulse of the trigger pin lasts 10 ms, an inference 8 ms."
        in energy_of(Recorded(recording()), slow)["problem"]
    )


def one_pulse(seconds: float) -> Capture:
    capture = recording()
    start = 0.5
    inside = (capture.t_s >= start) & (capture.t_s < start + seconds)
    return replace(capture, pin=inside)


def test_one_pulse_around_all_has_the_length_of_all() -> None:
    whole = (1 + WARMUP + RUNS) * (EACH + BETWEEN) - BETWEEN
    energy = energy_of(Recorded(one_pulse(whole)), told())
    assert (energy["gate"], energy["inferences"], energy["problem"]) == ("pin, one pulse", 56, "")
    # Between two, power is idle, which is subtracted.
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.005)


@pytest.mark.parametrize("off", [-1, 1])
def test_one_pulse_that_is_an_inference_too_short_or_too_long_is_told(off: int) -> None:
    whole = (1 + WARMUP + RUNS + off) * (EACH + BETWEEN) - BETWEEN
    assert "it is off by" in energy_of(Recorded(one_pulse(whole)), told())["problem"]


def test_a_pin_that_never_rises_is_a_problem_and_no_crash() -> None:
    energy = energy_of(Recorded(replace(recording(), pin=np.zeros(recording().t_s.size, bool))), told())
    assert "never rose" in energy["problem"]
    assert energy["energy_uj"] is None


def clocked(late_s: float = 0.0) -> tuple[Capture, dict[str, Any]]:
    """The meter began at 100 s of the host's clock. The device's bench began 0.5 s later, at 7 s of its own clock, of
    which the host knows by a question that took 4 ms."""
    capture = recording()
    end = float(capture.t_s[-1])
    capture = replace(capture, pin=None, tie=Tie(100.0 + end, end, 0.001))
    asked = 100.4 + late_s
    return capture, {"began_ns": 7.0e9, "clock": [(int(6.9e9), asked - 0.002, asked + 0.002)]}


def test_by_markers_the_window_lies_where_the_device_says() -> None:
    capture, answer = clocked()
    energy = energy_of(Recorded(capture), told(), **answer)
    assert energy["gate"] == "markers"
    # 50 inferences, and the idle time between them costs nothing above idle.
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01)
    align = np.hypot(0.001, 0.002 / np.sqrt(3))
    height = EXACT_UJ * RUNS / energy["gate_s"]
    assert energy["budget"]["alignment"] == pytest.approx(height * align / RUNS, rel=0.01)


def test_markers_that_are_late_stay_within_the_stated_uncertainty() -> None:
    capture, answer = clocked(late_s=0.002)
    energy = energy_of(Recorded(capture), told(), **answer)
    assert abs(energy["energy_uj"] - EXACT_UJ) < energy["uncertainty_uj"]


def test_markers_need_the_device_s_clock() -> None:
    capture, _ = clocked()
    assert "gives no markers" in energy_of(Recorded(capture, gate="markers"), told())["problem"]
    with pytest.raises(UsageError, match="does not say when its inferences began"):
        by_markers(capture, work(None))


def test_by_edges_all_inferences_count() -> None:
    capture = replace(recording(noise=3.0), pin=None)
    energy = energy_of(Recorded(capture), told())
    assert (energy["gate"], energy["inferences"], energy["problem"]) == ("edges", 56, "")
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01)


def test_edges_that_are_an_inference_apart_are_told() -> None:
    capture = replace(recording(noise=3.0), pin=None)
    missing = replace(capture, power_mw=np.where(capture.t_s < 0.5 + EACH + BETWEEN, IDLE, capture.power_mw))
    assert "it is off by -1" in energy_of(Recorded(missing), told())["problem"]


def test_power_that_never_rises_has_no_edges() -> None:
    flat = replace(recording(), pin=None, power_mw=np.full(recording().t_s.size, 100.0))
    with pytest.raises(UsageError, match="does not rise"):
        by_edges(flat, work())


def test_a_meter_that_saw_nothing_and_a_device_that_timed_nothing_are_told() -> None:
    empty = Capture(np.zeros(0), np.zeros(0), 1e-5)
    assert "fewer than two samples" in energy_of(Recorded(empty), told())["problem"]
    counted = [Series("instructions", "instructions", "emulated", (1.0,))]
    assert "told no times" in energy_of(Recorded(recording()), counted)["problem"]


def test_samples_lost_and_supply_are_kept() -> None:
    energy = energy_of(Recorded(replace(recording(), lost=64, supply_v=3.3)), told())
    assert (energy["lost_samples"], energy["supply_v"], energy["tier"], energy["scope"]) == (64, 3.3, "T2", "a rail")


def test_series_of_power_keep_the_energy_when_they_are_thinned() -> None:
    capture = recording(rate=100_000.0)
    series = power_series(capture, METER)
    assert len(series.values) <= MOST_POINTS
    assert "means of" in series.source
    whole = np.trapezoid(capture.power_mw, capture.t_s) if hasattr(np, "trapezoid") else None
    if whole is not None:
        assert np.mean(series.values[:-1]) == pytest.approx(capture.power_mw.mean(), rel=0.01)


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), st.integers(1, 10))
def test_means_keep_the_sum(values: list[float], each: int) -> None:
    found = means(np.array(values), each)
    whole = len(values) // each
    sizes = [each] * whole + ([len(values) - whole * each] if len(values) % each else [])
    assert float(np.dot(found, sizes)) == pytest.approx(sum(values), abs=1e-6)


def test_a_pulse_that_was_high_at_the_begin_is_not_whole() -> None:
    capture = Capture(np.arange(8.0), np.arange(8.0), 1.0, pin=np.array([1, 1, 0, 1, 1, 0, 0, 1], bool))
    short = Work((), (2.0,))
    assert by_pin(capture, short).windows == ((2.5, 4.5),)


def test_the_best_meter_counts_and_the_model_only_without_one() -> None:
    target = load_target("nucleo-l4r5zi")
    assert target.power is not None
    t0 = ProfilePower(target.power, target.name)
    modelled = [*told(), *t0.stop()]
    energy = account([t0], modelled, {}).energy
    assert energy is not None
    assert (energy["tier"], energy["supply_v"]) == ("T0", 1.8)
    assert energy["energy_uj"] == pytest.approx(41 * EACH * 1e3)
    assert energy["uncertainty_uj"] == pytest.approx(energy["energy_uj"] * 0.20)
    better = account([t0, Recorded(recording())], modelled, {})
    assert better.energy is not None
    assert better.energy["tier"] == "T2"
    assert [item.how for item in better.series if item.name in ("power", "energy")] == ["measured", "measured"]
    best = account([Recorded(recording(), meter=replace(METER, tier="T3")), Recorded(recording())], modelled, {})
    assert best.energy is not None
    assert best.energy["tier"] == "T3"


def test_an_emulated_latency_gives_no_modelled_energy() -> None:
    target = load_target("rpi4")
    assert target.power is not None
    t0 = ProfilePower(target.power, target.name)
    emulated = [replace(series, how="emulated") for series in told()]
    found = account([t0], [*emulated, *t0.stop()], {})
    assert found.energy is None
    assert not [item for item in found.series if item.name == "energy"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "has no sensors of its power"),
        (
            {"before": {"denied": ["/sys/class/powercap/intel-rapl:0/energy_uj"]}},
            "are for another user: /sys/class/powercap",
        ),
    ],
)
def test_sensors_that_cannot_be_read_are_told_where_they_were_asked_for(answer: dict[str, Any], said: str) -> None:
    energy = account([Onboard("", "onboard:")], told(), answer).energy
    assert energy is not None
    assert said in energy["problem"]
    assert account([], told(), answer).energy is None


def test_an_emulated_board_reads_the_sensors_of_another_machine() -> None:
    rows = [{"t_ns": n * 10**8, "rails": [{"name": "A", "from": "hwmon", "mw": 1.0}]} for n in range(20)]
    emulated = [replace(series, how="emulated") for series in told()]
    assert account([], emulated, {"trace": rows}).energy is None
    assert account([], told(), {"trace": rows}).energy is not None


def test_a_rail_that_a_board_lacks_is_told() -> None:
    rows = [{"t_ns": n * 10**8, "rails": [{"name": "A", "from": "hwmon", "mw": 1.0}]} for n in range(20)]
    energy = account([Onboard("B", "onboard:?rail=B")], told(), {"trace": rows}).energy
    assert energy is not None
    assert "no rail 'B'" in energy["problem"]
    assert "It measures: A." in energy["problem"]


def test_clocks_are_tied_by_what_came_earliest_and_a_stall_stretches_nothing() -> None:
    meter = np.arange(0, 10, 0.01)
    late = np.random.default_rng(4).exponential(0.002, meter.size)
    late[meter > 6] += 0.030  # A busy machine: everything comes 30 ms late from here on.
    found = tie_of((meter * (1 + 5e-5) + 1000 + late).tolist(), meter.tolist())
    assert found is not None
    assert found.to_meter(1005) == pytest.approx(5, abs=0.002)
    assert abs(found.rate - 1) <= CLOCK_OFF
    assert 1e-5 < found.u_s < 0.002
    assert tie_of([1.0], [0.0]) is None


@pytest.mark.parametrize("way", ["pin", "edges"])
def test_what_ran_untimed_counts_too(way: str) -> None:
    """Of a long bench of a fast model every fifth inference is timed; each costs what it costs."""
    every, timed = 5, slice(1 + WARMUP + 4, None, 5)
    told = [
        Series("first_inference", "ns", "measured", (EACH * 1e9,)),
        Series("warmup", "ns", "measured", (EACH * 1e9,) * WARMUP),
        Series("invoke", "ns", "measured", (EACH * 1e9,) * (RUNS // every), t_s=tuple(begins(0.0)[timed].tolist())),
    ]
    made = account([Recorded(recording(), gate=way)], told, {"timed_every": every}).energy
    assert made is not None and made["problem"] == ""
    assert made["inferences"] == (RUNS if way == "pin" else 1 + WARMUP + RUNS)
    assert made["energy_uj"] == pytest.approx((BUSY - IDLE) * EACH * 1e3, rel=0.01)


def test_markers_hold_what_ran_untimed() -> None:
    work = Work((), (0.010, 0.010), (0.040, 0.090), every=5)
    capture = Capture(np.arange(0.0, 1.0, 0.001), np.zeros(1000), 0.001)
    assert by_markers(capture, work).inferences == 6


def test_pulses_of_the_way_from_end_to_end_come_behind_the_steady_ones() -> None:
    many = 20
    told = [
        Series("first_inference", "ns", "measured", (EACH * 1e9,)),
        Series("warmup", "ns", "measured", (EACH * 1e9,) * WARMUP),
        Series("invoke", "ns", "measured", (EACH * 1e9,) * (RUNS - many)),
        Series("end_to_end", "ns", "measured", (EACH * 1.1e9,) * many),
    ]
    made = account([Recorded(recording())], told, {})
    assert made.energy is not None and made.energy["problem"] == ""
    assert made.energy["inferences"] == RUNS - many
    gate = next(series for series in made.series if series.name == "gate")
    assert gate.values[0] == pytest.approx(begins(0.5)[1 + WARMUP], abs=1e-4)


def replayed(tmp_path: Path, windows: list[tuple[float, float]], inferences: int) -> dict[str, Any]:
    """A recording at 10 kHz of the device above, from half a second before its first inference on."""
    capture = recording(rate=10_000.0)
    marked = np.zeros(capture.t_s.size, bool)
    for start, end in windows:
        marked |= (capture.t_s >= start) & (capture.t_s < end)
    rows = zip(capture.t_s.tolist(), capture.power_mw.tolist(), marked.astype(int).tolist(), strict=True)
    file = tmp_path / "meter.csv"
    file.write_text("t_s,power_mw,gate\n" + "".join(f"{t:.6f},{p},{on}\n" for t, p, on in rows), encoding="utf-8")
    probe = open_probe(f"replay:{file}?inferences={inferences}&error_pct=1", load_target("nucleo-l4r5zi"))
    probe.start()
    return energy_of(probe, [*told(), *probe.stop()])


@pytest.mark.parametrize("off", [0, -1, 1])
def test_a_recording_s_gate_that_is_off_by_one_inference_is_told(tmp_path: Path, off: int) -> None:
    count = 1 + WARMUP + RUNS
    end = 0.5 + (count + off) * (EACH + BETWEEN) - BETWEEN
    energy = replayed(tmp_path, [(0.5, end)], count)
    assert energy["energy_uj"] == pytest.approx(EXACT_UJ, rel=0.01 if not off else 0.05)
    assert (f"it is off by {off:+d}." in energy["problem"]) == bool(off)


def test_a_recording_of_another_bench_fits_where_its_inferences_last_as_long(tmp_path: Path) -> None:
    first = 0.5
    assert replayed(tmp_path, [(first, first + 20 * (EACH + BETWEEN))], 20)["problem"] == ""
    assert "lasts 24 ms, and one of this bench 11.96" in replayed(tmp_path, [(first, first + 0.24)], 10)["problem"]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_recording_s_gate_may_have_a_pulse_for_each_inference(tmp_path: Path, missing: int) -> None:
    count = 1 + WARMUP + RUNS
    pulses = [0.5 + number * (EACH + BETWEEN) for number in range(count - missing)]
    problem = replayed(tmp_path, [(start, start + EACH) for start in pulses], count)["problem"]
    assert ("it is off by -" in problem) == bool(missing)


def test_a_clock_that_stands_still_loses_no_bench(tmp_path: Path) -> None:
    still = [replace(series, values=(0.0,) * len(series.values)) for series in told()]
    file = tmp_path / "meter.csv"
    file.write_text("t_s,power_mw,gate\n0,1,0\n1,9,1\n2,9,1\n3,1,0\n4,1,0\n", encoding="utf-8")
    probe = open_probe(f"replay:{file}?inferences={RUNS}", load_target("nucleo-l4r5zi"))
    probe.start()
    assert "clock stood still" in energy_of(probe, [*still, *probe.stop()])["problem"]


def test_lost_samples_make_energy_less_sure() -> None:
    capture = recording()
    whole = energy_of(Recorded(capture), told())
    there = np.ones(capture.t_s.size, bool)
    there[int(0.75 / capture.step_s) : int(0.751 / capture.step_s)] = False  # 20 samples, 1 ms.
    missing = replace(capture, t_s=capture.t_s[there], power_mw=capture.power_mw[there], pin=None)
    clock, answer = clocked()
    holed = energy_of(Recorded(replace(missing, tie=clock.tie)), told(), **answer)
    assert "lost" not in whole["budget"]
    # Inside of the gate power is 400 mW for 10 of 12 ms, so it varies by 112 mW; for 1 ms nobody saw it.
    assert holed["budget"]["lost"] == pytest.approx(112 * 0.001 / RUNS * 1e3, rel=0.05)


def test_the_stated_uncertainty_holds_what_meters_do() -> None:
    """Meters as their limits have them (gain within 1 %, offset within 2 mW, clock within 50 ppm, tie within what is
    known of it, a drifting idle power): of 100 such, at most 5 are off by more than they say."""
    random = np.random.default_rng(7)
    meter, align, missed = replace(METER, offset_mw=2.0), float(np.hypot(0.001, 0.002 / np.sqrt(3))), 0
    for _ in range(100):
        plain, answer = clocked(late_s=float(random.normal(0, align)))
        drift = random.uniform(-5, 5) * (plain.t_s - plain.t_s.mean())
        power = (plain.power_mw + drift) * (1 + random.uniform(-0.01, 0.01)) + random.uniform(-2, 2)
        noisy = power + random.normal(0, 20, plain.t_s.size)
        seen = replace(plain, power_mw=noisy, t_s=plain.t_s * (1 + random.uniform(-50e-6, 50e-6)))
        energy = energy_of(Recorded(seen, meter=meter), told(), **answer)
        missed += abs(energy["energy_uj"] - EXACT_UJ) > energy["uncertainty_uj"]
        assert energy["uncertainty_uj"] < 0.2 * EXACT_UJ
    assert missed <= 5
