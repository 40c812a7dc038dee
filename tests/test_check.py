"""`edgeq check`: what a model takes on a target, and why it does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import MODEL

from edgeq.check import check
from edgeq.errors import UsageError
from edgeq.target import load_target


def test_a_microcontroller_gets_a_plan() -> None:
    found = check(MODEL, load_target("mps2-an386"))
    assert found.fits
    assert found.needs["arena"] == found.needs["arena_bound"] > 0
    assert found.needs["image"] > 256
    tiny = load_target("mps2-an386")
    small = replace(tiny, memory=replace(tiny.memory, ram_bytes=found.needs["arena"] - 1))
    findings = check(MODEL, small).findings
    assert [(item.code, item.severity) for item in findings] == [("ram", "error")]


def test_a_float_model_is_refused_with_what_to_do(shared_models: Path) -> None:
    found = check(shared_models / "kws_float.tflite", load_target("mps2-an386"))
    assert not found.fits
    assert "edgeq build" in found.findings[0].hint


def test_linux_targets_are_judged_by_the_file() -> None:
    assert check(MODEL, load_target("rpi4")).fits


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a \.tflite file"):
        check(tmp_path / "model.keras", load_target("rpi4"))


def test_the_command_says_it_with_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeq", "check", str(MODEL), "--target", "mps2-an386", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)["fits"]) == (0, True)
