"""Energy from known power curves, and the cases in which there must be none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.probe.power.energy import energy_per_inference, energy_series, gated_energy
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


@pytest.mark.parametrize("gate", [(), ((2, 1),), ((-1, 1),), ((0, 99),), ((0, 2), (1, 3)), ((0, float("nan")),)])
def test_gates_must_lie_inside_in_order(gate: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(UsageError, match="gate"):
        gated_energy(power(np.arange(5.0), np.ones(5)), gate)


def test_counts_and_samples_are_checked() -> None:
    with pytest.raises(UsageError, match="at least one inference; 0"):
        energy_per_inference(power(np.arange(5.0), np.ones(5)), [(0, 1)], 0)
    with pytest.raises(UsageError, match="at least two power samples"):
        gated_energy(Series("power", "mw", "estimated", (1.0,)), [(0, 1)])


T0 = Series("power", "mw", "estimated", (3000.0,), error_pct=50.0, source="profile")


def invoke(how: str) -> Series:
    return Series("invoke", "ns", how, (1e6, 2e6, 3e6))


def test_energy_from_the_profile_needs_measured_latency() -> None:
    (energy,) = energy_series([T0, invoke("measured")])
    assert energy.values == (pytest.approx(3000 * 0.002 * 1000),)
    assert (energy.how, energy.unit, energy.error_pct) == ("estimated", "uj", 50.0)
    assert energy_series([T0, invoke("emulated")]) == []
    assert energy_series([T0]) == []
    assert energy_series([invoke("measured")]) == []


def test_a_meters_energy_is_not_replaced() -> None:
    metered = Series("energy", "uj", "measured", (5.0,))
    assert energy_series([T0, invoke("measured"), metered]) == []
