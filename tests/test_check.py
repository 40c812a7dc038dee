"""`edgeq check`: what a model takes on a target, why it does not fit, and where it does."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tinymodel
from bundles import MODEL

from edgeq.building.candidate import Candidate, candidate
from edgeq.check import check, check_all, with_alternatives
from edgeq.errors import ArtifactError, UsageError
from edgeq.preprocess import parse
from edgeq.target import TargetProfile, all_targets, load_target


@pytest.fixture(scope="module")
def tiny() -> Candidate:
    return candidate(MODEL)


def board(**memory: Any) -> TargetProfile:
    """A board on which nothing is reserved."""
    found = load_target("mps2-an386")
    free = {"ram_reserved_bytes": 0, "flash_reserved_bytes": 0}
    return replace(found, memory=replace(found.memory, **free, **memory))


def test_a_microcontroller_gets_a_plan(tiny: Candidate) -> None:
    found = check(tiny, load_target("mps2-an386"))
    assert found.fits
    assert found.needs["arena"] == found.needs["arena_bound"] > 0
    assert found.needs["image"] > 256


def test_too_little_ram_names_what_takes_it(tiny: Candidate) -> None:
    arena = check(tiny, board()).needs["arena"]
    errors = [item for item in check(tiny, board(ram_bytes=arena - 1)).findings if item.severity == "error"]
    assert [item.code for item in errors] == ["ram", "arena"]
    assert errors[1].actual == arena
    assert "It is 1 B too much: most is needed at record" in errors[1].hint


def test_too_little_flash_names_the_largest_weights(tiny: Candidate) -> None:
    image = check(tiny, board()).needs["image"]
    (error,) = check(tiny, board(flash_bytes=image - 10)).findings
    assert (error.code, error.severity) == ("flash", "error")
    assert "It is 10 B too much: the largest weights are '" in error.hint
    assert check(tiny, board(flash_bytes=image)).fits


def test_firmware_log_and_two_slots_share_the_flash(tiny: Candidate) -> None:
    """Of a board whose firmware lies in the same flash; its size there is an estimate, and said to be one."""
    found = check(tiny, load_target("nucleo-l4r5zi"))
    memory = load_target("nucleo-l4r5zi").memory
    sector = memory.flash[0].sector_bytes
    slots = memory.flash_bytes - memory.flash_reserved_bytes - found.needs["firmware"] - 2 * sector
    assert slots // 2 - 2 * sector < found.limits["flash"] <= slots // 2 - sector
    assert "Estimated" in next(item.message for item in found.findings if item.code == "firmware-size")


def test_ram_that_is_in_pieces_counts_piece_by_piece(tiny: Candidate) -> None:
    arena = check(tiny, board()).needs["arena"]
    (error,) = check(tiny, board(ram_contiguous_bytes=arena - 1)).findings
    assert (error.code, error.limit) == ("arena", arena - 1)


def test_where_it_fits_is_said_where_it_does_not(tiny: Candidate) -> None:
    small = board(ram_bytes=64)
    found = with_alternatives(check(tiny, small), tiny, [small, load_target("rpi4"), load_target("nrf52840-dk")])
    assert found.findings[-1].message == "It fits rpi4, nrf52840-dk."
    assert with_alternatives(check(tiny, small), tiny, [small]).findings[-1].message.startswith("It fits none")


def test_every_target_has_a_verdict(tiny: Candidate) -> None:
    targets = list(all_targets())
    found = check_all(tiny, targets)
    assert [each.target for each in found] == [target.name for target in targets]
    assert {each.target for each in found if not each.fits} <= {"rpi-zero-w"}


def test_a_float_model_is_converted_for_a_look() -> None:
    found = candidate(tinymodel.models() / "tiny.keras")
    assert (found.mode, found.trial) == ("static_wi8_ai8", True)
    told = check(found, load_target("mps2-an386"))
    assert told.fits
    assert "trial" in [finding.code for finding in told.findings]
    real = check(Candidate(tinymodel.converted().model, "static_wi8_ai8", trial=False), load_target("mps2-an386"))
    assert told.needs["arena"] == real.needs["arena"]


def test_a_mode_that_a_runtime_lacks(tiny: Candidate) -> None:
    found = check(replace(tiny, mode="float16"), load_target("mps2-an386"))
    assert [finding.code for finding in found.findings if finding.severity == "error"] == ["mode"]
    assert "--mode static_wi8_ai8" in found.findings[0].hint
    assert check(replace(tiny, mode="float16"), load_target("rpi4")).fits


def test_a_quantized_model_is_not_looked_at_in_another_mode(tmp_path: Path) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tinymodel.converted().model)
    assert candidate(path, "static_wi8_ai8").mode == candidate(path).mode == "static_wi8_ai8"
    with pytest.raises(UsageError, match=r"'tiny\.tflite' is quantized already, as static_wi8_ai8; float16 was asked"):
        candidate(path, "float16")


def test_steps_that_cannot_fill_the_input_fit_nowhere(tiny: Candidate) -> None:
    wrong = parse({"frontend": "micro", "steps": [{"do": "stack", "frames": 1000}]})
    for name in ("rpi4", "pixel-8", "mps2-an386"):
        found = check(replace(tiny, preprocess=wrong), load_target(name))
        (error,) = [finding for finding in found.findings if finding.severity == "error"]
        assert "[preprocess]" in error.message and not found.fits


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        candidate(tmp_path / "model.keras")
    with pytest.raises(UsageError, match=r"model\.tflite' does not exist"):
        candidate(tmp_path / "model.tflite")
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(UsageError, match="is not a SavedModel folder"):
        candidate(tmp_path / "folder.tflite")
    (tmp_path / "text.tflite").write_text("hello")
    with pytest.raises(ArtifactError):
        candidate(tmp_path / "text.tflite")


@pytest.mark.parametrize("options", [["--target", "mps2-an386"], ["--all-targets"]], ids=" ".join)
def test_the_command(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeq", "check", str(MODEL), *options]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert {each["target"]: each["fits"] for each in document.get("targets", [document])}["mps2-an386"]
    assert "fits" in subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path).stdout


def test_the_command_s_exit_code_is_3_where_it_does_not_fit(tmp_path: Path) -> None:
    text = load_target("mps2-an386").path.read_text(encoding="utf-8")
    folder = tmp_path / "targets"
    folder.mkdir()
    text = text.replace('name = "mps2-an386"', 'name = "small"').replace(
        'aliases = ["an386", "cortex-m4"]', "aliases = []"
    )
    (folder / "small.toml").write_text(text.replace("ram_bytes = 4_194_304", "ram_bytes = 65_800"), encoding="utf-8")
    command = [sys.executable, "-m", "edgeq", "check", str(MODEL), "--target", "small"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 3
    assert "does not fit small" in done.stdout
    assert "It fits" in done.stdout
