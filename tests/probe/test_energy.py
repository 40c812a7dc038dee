"""Energy from known power curves, and the cases in which there must be none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.probe.power.energy import energy_per_inference, gated_energy, integrate
from edgeq.probe.power.meter import Meter
from edgeq.run import Series


def power(t: np.ndarray, p: np.ndarray) -> Series:  # type: ignore[type-arg]
    return Series("power", "mw", "measured", tuple(map(float, p)), t_s=tuple(map(float, t)))


def test_a_step_above_idle_gives_its_area() -> None:
    t = np.arange(0, 10, 0.001)
    p = np.where((t >= 2) & (t <= 7), 500.0, 100.0)
    energy = gated_energy(power(t, p), [(2, 7)])
    assert energy.gross_uj == pytest.approx(500 * 5 * 1000)
    assert energy.idle_mw == 100
    assert energy.net_uj == pytest.approx(400 * 5 * 1000)
    each, uncertainty = energy_per_inference(power(t, p), [(2, 7)], 1000)
    assert each == pytest.approx(2000)
    # Two edges, each uniform within 1 ms, of 400 mW: 400 * 0.001 * sqrt(2 / 12) mJ, over 1000 inferences.
    assert uncertainty == pytest.approx(400 * 0.001 * np.sqrt(2 / 12), rel=1e-6)


def test_uneven_samples_use_the_meters_own_clock() -> None:
    t = np.array([0, 1, 1.5, 4, 4.25, 6])
    energy = gated_energy(power(t, 10 * t), [(0, 6)])
    assert energy.gross_uj == pytest.approx(10 * 6**2 / 2 * 1000)
    assert energy.idle_mw is None
    assert energy.net_uj == energy.gross_uj


def test_edges_between_samples_are_interpolated() -> None:
    energy = gated_energy(power(np.array([0.0, 10.0]), np.array([0.0, 100.0])), [(2.5, 5)])
    assert energy.gross_uj == pytest.approx((25 + 50) / 2 * 2.5 * 1000)


@given(st.floats(0.1, 4.9), st.floats(0.1, 4.9), st.lists(st.floats(0, 1e4), min_size=12, max_size=12))
def test_windows_add_up(a: float, b: float, values: list[float]) -> None:
    middle = 0.05 + (a + b) / 2
    series = power(np.arange(12.0), np.array(values))
    whole = gated_energy(series, [(0.05, 9)]).gross_uj
    parts = gated_energy(series, [(0.05, middle), (middle, 9)]).gross_uj
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-6)


def test_uncertainty_covers_inexact_edges_and_noisy_idle() -> None:
    random = np.random.default_rng(2)
    t = np.arange(0.005, 4, 0.01)
    errors = []
    for _ in range(300):
        busy = (t > 1) & (t < 2)
        p = np.where(busy, 300.0, 100.0 + random.normal(0, 5, t.size))
        edges = np.array([1.0, 2.0]) + random.uniform(-0.005, 0.005, 2)
        each, uncertainty = energy_per_inference(power(t, p), [tuple(edges)], 1)
        errors.append((each - 200_000) / uncertainty)
    assert 0.5 < np.std(errors) < 1.2
    assert np.abs(errors).max() < 4


@settings(max_examples=60)
@given(
    st.floats(0, 500), st.floats(-50, 50), st.floats(1, 900), st.floats(2.1, 4.9), st.floats(5.1, 7.9), st.floats(0, 7)
)
def test_any_pulse_on_a_drifting_idle_gives_its_area(
    idle: float, slope: float, height: float, start: float, end: float, phase: float
) -> None:
    """Idle power is a line, on it a pulse with a ripple of whole periods: all have closed integrals."""
    t = np.linspace(0, 10, 20_001)
    inside = (t >= start) & (t <= end)
    ripple = 1 + 0.3 * np.sin(2 * np.pi * 5 * (t - start) / (end - start) + phase)
    p = idle + slope * t + np.where(inside, height * ripple, 0)
    energy = integrate(t, p, [(start, end)])
    assert energy.idle is not None
    assert energy.idle.sides == "before and after"
    # An edge may lie anywhere within a step of 0.5 ms.
    slack = 1.3 * height * 0.5e-3 + 1e-6 * (abs(idle) + abs(slope) * 10)
    assert energy.net_uj / 1e3 == pytest.approx(height * (end - start), abs=2 * slack)
    assert energy.gross_uj / 1e3 == pytest.approx(
        height * (end - start) + idle * (end - start) + slope * (end**2 - start**2) / 2, abs=2 * slack
    )


def test_a_drift_of_idle_power_is_in_the_budget() -> None:
    t = np.arange(0, 10, 0.001)
    p = np.where(t < 4, 100.0, 120.0) + np.where((t >= 4) & (t <= 6), 300.0, 0.0)
    energy = integrate(t, p, [(4, 6)])
    assert energy.idle is not None
    assert energy.idle.mw == pytest.approx(110, abs=1)
    # Half of the 20 mW between them, as limits, for 2 s.
    assert energy.budget["idle_drift"] == pytest.approx(10 / np.sqrt(3) * 2 * 1e3)


def test_idle_on_one_side_only_knows_of_no_drift() -> None:
    t = np.arange(0, 10, 0.01)
    energy = integrate(t, np.where(t >= 5, 300.0, 100.0), [(5, 9.99)])
    assert energy.idle is not None
    assert (energy.idle.sides, energy.idle.mw, energy.idle.drift_mw) == ("before", 100.0, 0.0)


def test_what_else_the_device_does_is_not_idle() -> None:
    t = np.arange(0, 10, 0.01)
    p = np.where((t >= 2) & (t <= 8), 300.0, 100.0)
    assert integrate(t, p, [(4, 6)], busy=(2, 8.001)).idle_mw == pytest.approx(100)
    assert integrate(t, p, [(4, 6)], busy=(0, 10)).idle_mw is None


def test_the_meters_accuracy_acts_on_what_is_left_or_on_both() -> None:
    t = np.arange(0, 10, 0.001)
    p = np.where((t >= 4) & (t <= 6), 500.0, 400.0)
    one = Meter("T2", "m", "s", gain_pct=3.0, accuracy="", clock_ppm=0.0)
    assert integrate(t, p, [(4, 6)], meter=one).budget["meter"] == pytest.approx(200e3 * 0.03 / np.sqrt(3), rel=0.01)
    many = Meter("T2", "m", "s", gain_pct=3.0, accuracy="", clock_ppm=0.0, ranges=True)
    both = np.hypot(1000e3, 800e3) * 0.03 / np.sqrt(3)
    assert integrate(t, p, [(4, 6)], meter=many).budget["meter"] == pytest.approx(both, rel=0.01)
    offset = Meter("T2", "m", "s", gain_pct=0.0, accuracy="", offset_mw=10.0, clock_ppm=0.0)
    assert "meter" not in integrate(t, p, [(4, 6)], meter=offset).budget
    alone = integrate(t, p, [(4, 6)], meter=offset, busy=(0, 10))
    assert alone.budget["meter"] == pytest.approx(10 * 2 * 1e3 / np.sqrt(3))


def test_the_stated_uncertainty_covers_what_a_slow_meter_gets_wrong() -> None:
    """A sensor read ten times a second sees 1 of some 10 inferences: its mean varies by chance, and that is told."""
    random = np.random.default_rng(3)
    errors = []
    for _ in range(200):
        t = np.arange(0, 12, 0.1)
        draws = np.where(random.random(t.size) < 0.6, 500.0, 200.0)
        p = np.where((t > 2) & (t < 10), draws, 100.0) + random.normal(0, 5, t.size)
        energy = integrate(t, p, [(2, 10)], resolved=False)
        errors.append((energy.net_uj - (0.6 * 500 + 0.4 * 200 - 100) * 8e3) / (2 * energy.uncertainty_uj))
    assert np.mean(np.abs(errors) <= 1) > 0.9


@pytest.mark.parametrize("gate", [(), ((2, 1),), ((-1, 1),), ((0, 99),), ((0, 2), (1, 3)), ((0, float("nan")),)])
def test_gates_must_lie_inside_in_order(gate: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(UsageError, match="gate"):
        gated_energy(power(np.arange(5.0), np.ones(5)), gate)


def test_counts_and_samples_are_checked() -> None:
    with pytest.raises(UsageError, match="at least one inference; 0"):
        energy_per_inference(power(np.arange(5.0), np.ones(5)), [(0, 1)], 0)
    with pytest.raises(UsageError, match="at least two power samples"):
        gated_energy(Series("power", "mw", "estimated", (1.0,)), [(0, 1)])
