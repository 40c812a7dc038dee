"""One run, told: claims with their state, the sustained pace, energy with its uncertainty, accuracy on the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.report.section import section
from edgeq.run import Series, read_run

CASES = Path(__file__).resolve().parents[1] / "cases"
PI = read_run(CASES / "reports" / "pi5-sustained.json")
MCU = read_run(CASES / "reports" / "mcu-emulated.json")


def claims(run: object) -> dict[str, tuple[str, str]]:
    return {claim.name: (claim.state, claim.text) for claim in section(run, "x").claims}  # type: ignore[arg-type]


def test_claims_answer_what_one_asks_first() -> None:
    told = claims(PI)
    assert list(told) == ["Answers", "Accuracy", "Fits", "Speed", "Sustained"]
    assert {name: state for name, (state, _) in told.items()} == {
        **dict.fromkeys(("Answers", "Accuracy", "Fits"), "good"),
        "Speed": "open",  # The run is degraded.
        "Sustained": "bad",
    }
    assert told["Speed"][1] == "p50 2.47 ms, p99 3.05 ms, 413 inferences per second (measured)."


def test_what_is_emulated_or_not_known_is_open() -> None:
    told = claims(MCU)
    assert told["Speed"] == ("open", "5,007,112 instructions (emulated).")
    bare = replace(MCU, release={**MCU.release, "golden": None, "evaluation": None}, series=())
    told = claims(bare)
    assert (told["Answers"][0], told["Accuracy"][0], told["Speed"][0]) == ("open", "open", "open")


def test_wrong_answers_and_a_large_loss_are_bad() -> None:
    golden = {"vectors": 8, "tolerance": 1, "worst": 9}
    lost = {**PI.release["evaluation"], "drop": 0.05, "drop_low": 0.03, "drop_high": 0.07}
    told = claims(replace(PI, release={**PI.release, "golden": golden, "evaluation": lost}))
    assert (told["Answers"][0], told["Accuracy"][0]) == ("bad", "bad")


def test_a_sustained_run_has_its_pace_and_the_onset_with_its_reason() -> None:
    made = section(PI, "x")
    assert len(made.intervals) == 30
    assert made.onset is not None
    assert 140 <= made.onset.t_s <= 160
    assert "clock fell from 2400" in claims(PI)["Sustained"][1]


def test_a_run_that_was_not_to_last_has_no_pace() -> None:
    made = section(replace(PI, plan=replace(PI.plan, sustained=False)), "x")
    assert (made.intervals, made.onset) == ((), None)
    assert "Sustained" not in {claim.name for claim in made.claims}


def test_energy_has_its_uncertainty_and_what_that_is_made_of() -> None:
    made = section(PI, "x")
    energy = made.figure("energy")
    assert energy is not None
    assert (energy.low, energy.high, energy.error_pct) == (1314, 1398, pytest.approx(3.1, abs=0.01))
    assert [(part.label, part.value) for part in made.budget][:2] == [("Meter", 15), ("Idle", 11)]
    assert dict(made.meter)["Tier"] == "T2, a meter of the USB or PPK2 class"


def test_the_device_s_own_accuracy_stands_beside_the_host_s() -> None:
    made = section(PI, "x")
    figures = {figure.name: figure for figure in made.on_device}
    assert (figures["device_accuracy"].value, figures["device_accuracy"].how) == (0.968, "measured")
    assert figures["device_reference"].at == "host"
    assert figures["device_identical"].value == 0.981


def test_it_says_who_preprocessed_and_what_the_host_s_own_steps_give() -> None:
    raw = {**(PI.correctness or {}), "preprocessed": "device", "steps_here": {"value": 0.97, "loss": 0.002}}
    figures = {figure.name: figure for figure in section(replace(PI, correctness=raw), "x").on_device}
    assert "preprocessed there" in figures["device_accuracy"].source
    assert (figures["device_steps_here"].value, figures["device_steps_here"].at) == (0.97, "host")
    assert not any("preprocessed" in figure.source for figure in section(PI, "x").on_device)


def test_slices_that_lost_most_come_first() -> None:
    assert section(PI, "x").slices[0].name == "6"
    assert all(each.samples >= 50 for each in section(PI, "x").slices)


def test_power_inside_short_pulses_holds_nothing_between_them() -> None:
    """A run keeps means of many samples: no pair of them lies inside a pulse."""
    power = Series("power", "mw", "measured", (14.0,) * 100, t_s=tuple(index * 0.003 for index in range(100)))
    gate = Series("gate", "s", "measured", (0.1, 0.102, 0.15, 0.152))
    energy = {"tier": "T2", "energy_uj": 180.0, "inferences": 2, "gate_s": 0.004, "idle_mw": 10.0}
    told = section(replace(PI, series=(power, gate), energy=energy), "x").figure("power")
    assert told is not None
    assert (told.label, told.value) == ("Power inside the gate", pytest.approx(100.0))


def test_what_a_meter_or_the_device_said_is_not_denied() -> None:
    told = {**(PI.energy or {}), "energy_uj": None, "uncertainty_uj": None, "problem": "The trigger pin never rose."}
    series = tuple(series for series in PI.series if series.name != "energy")
    run = replace(PI, series=series, energy=told, release={**PI.release, "evaluation": None})
    made = section(run, "x")
    assert "There is no energy figure. The trigger pin never rose." in made.notes
    assert not any("accuracy figure" in note or "recording" in note for note in made.notes)
    assert claims(run)["Accuracy"][1].startswith("Accuracy on the device 96.80 % (1000 samples")
