"""What a release takes of a device's memory: measured where something was, else as planned, and never guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.report.needs import needs
from edgeq.report.section import need_words, section
from edgeq.run import Run, read_run

CASES = Path(__file__).resolve().parents[1] / "cases"
MCU, PI = read_run(CASES / "reports" / "mcu-emulated.json"), read_run(CASES / "reports" / "pi5-sustained.json")
OLD = read_run(CASES / "runs" / "local-measured.json")


def fitted(run: Run, **fit: Any) -> Run:
    return replace(run, release={**run.release, "fit": {**run.release["fit"], **fit}})


def test_a_process_s_peak_against_the_target_s_free_ram() -> None:
    (ram,) = needs(PI)
    assert (ram.needed_bytes, ram.limit_bytes, ram.how) == (38.4e6, 3.6e9, "measured")
    assert need_words(ram) == "RAM: 36.6 MiB of 3.4 GiB, 1.1 % of the free RAM of rpi5 (measured)"


def test_an_old_run_is_held_against_the_ram_of_its_device() -> None:
    (ram,) = needs(OLD)
    assert ram.limit_bytes == OLD.device["ram_bytes"]
    assert ram.of == "the RAM of the device"


def test_a_microcontroller_tells_its_parts_and_the_plan_its_flash() -> None:
    ram, flash = needs(MCU)
    assert dict(ram.parts) == {"Arena": 22304, "Variables": 3688, "Stack": 1208}
    assert (ram.needed_bytes, ram.how) == (27200, "emulated")
    assert (flash.needed_bytes, flash.how) == (58112, "planned")
    assert all(need.fits for need in (ram, flash))


def test_without_measured_parts_the_plan_speaks() -> None:
    ram, _ = needs(replace(MCU, series=()))
    assert (ram.how, dict(ram.parts)) == ("planned", {"Arena": 22304, "Runtime": 4896})


def test_what_does_not_fit_is_told_so() -> None:
    flash = {"needed_bytes": 70_000, "limit_bytes": 65_536, "parts": {"image": 70_000}, "source": "x"}
    made = section(fitted(MCU, flash=flash), "x")
    (claim,) = (claim for claim in made.claims if claim.name == "Fits")
    assert claim.state == "bad"
    assert "Flash: 68.4 KiB of 64.0 KiB, 107 %" in claim.text


@pytest.mark.parametrize("fit", [None, "odd", {}, {"ram": 5, "flash": {"needed_bytes": "x"}}])
def test_odd_figures_are_no_figures(fit: object) -> None:
    run = replace(MCU, series=(), release={**MCU.release, "fit": fit})
    assert list(needs(run)) == []
