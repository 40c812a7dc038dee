from __future__ import annotations

import re
from dataclasses import replace

import pytest
import tinymodel

from edgeq.errors import FitError
from edgeq.fit import (
    Footprint,
    check,
    check_plan,
    precheck_steps,
    ram_bytes,
    require,
    same_runtime,
    slot_bytes,
)
from edgeq.model.tflite import ModelInfo, Operator, read_model
from edgeq.preprocess import parse
from edgeq.target import TargetProfile, load_target


@pytest.fixture
def pi() -> TargetProfile:
    return load_target("rpi4")


@pytest.fixture
def model() -> ModelInfo:
    return read_model(tinymodel.converted().model)


def _with_memory(target: TargetProfile, free: int) -> TargetProfile:
    return replace(target, memory=replace(target.memory, ram_bytes=free + 10, ram_reserved_bytes=10))


def test_a_small_model_fits_without_a_word(model: ModelInfo, pi: TargetProfile) -> None:
    assert check(model, pi) == []
    require([], pi)


def test_memory_is_held_against_what_is_free(model: ModelInfo, pi: TargetProfile) -> None:
    (error,) = check(model, _with_memory(pi, 2_000))
    assert (error.code, error.severity, error.limit) == ("memory", "error", 2_000)
    assert error.actual is not None and error.actual > model.size_bytes + model.weights_bytes
    assert "KiB of RAM; rpi4 has 2.0 KiB free" in error.message
    (warning,) = check(model, _with_memory(pi, int(error.actual * 1.5)))
    assert warning.severity == "warning"
    require([warning], pi)


def test_the_mode_must_be_one_of_the_target(model: ModelInfo, pi: TargetProfile) -> None:
    (finding,) = check(model, replace(pi, runtime=replace(pi.runtime, modes=("float16",))))
    assert finding.code == "mode"


def test_custom_operators_are_named_and_refused(model: ModelInfo, pi: TargetProfile) -> None:
    graph = model.subgraphs[0]
    custom = replace(graph, operators=(*graph.operators, Operator("CUSTOM", "CUSTOM:FlexErf", (), ())))
    findings = check(replace(model, subgraphs=(custom,)), pi)
    with pytest.raises(FitError, match="does not fit rpi4: The operator FlexErf") as caught:
        require(findings, pi)
    assert caught.value.findings == tuple(findings)


def test_a_signature_that_is_left_out_is_told(model: ModelInfo, pi: TargetProfile) -> None:
    assert check(replace(model, signatures=(("serving_default", 0),)), pi) == []
    assert check(replace(model, signatures=(("serving_default", 0), ("again", 0))), pi) == []
    (finding,) = check(replace(model, signatures=(("embed", 1), ("infer", 0))), pi)
    assert finding.severity == "warning"
    assert finding.message == "The model has 2 signatures; 'infer' is taken, and 'embed' left out."
    require([finding], pi)


def test_a_microcontroller_is_judged_by_the_plan(model: ModelInfo) -> None:
    target = load_target("mps2-an386")
    assert check(model, target) == []
    port = target.port
    assert check_plan(Footprint(1000, 2000, 300, 4000, port), target) == []
    big = Footprint(4 << 20, 9 << 20, 300, 4000, port)
    ram, arena, flash = check_plan(big, target)
    assert (ram.code, ram.actual, ram.limit) == ("ram", 4 << 20, (4 << 20) - (64 << 10))
    assert (arena.code, flash.code, flash.actual, flash.limit) == ("arena", "flash", 9 << 20, 8_380_416)
    with pytest.raises(FitError, match=r"needs 4\.0 MiB of RAM"):
        require([ram, flash], target)


def test_a_runtime_that_is_not_reserved_counts_and_slots_share_what_firmware_leaves() -> None:
    target = load_target("nucleo-h743zi")
    (said,) = check_plan(Footprint(1000, 2000, 300, 40_000, "another"), target)
    assert (said.code, said.severity) == ("firmware-size", "info")
    assert ram_bytes(Footprint(1000, 2000, 300, 40_000), target) == 1300
    sector = target.memory.flash[0].sector_bytes
    assert slot_bytes(Footprint(1000, 2000, 300, 40_000), target) == 6 * sector - sector


@pytest.mark.parametrize(
    ("steps", "shape", "words"),
    [
        ([{"do": "resize", "height": 8, "width": 8, "filter": "bicubic"}], (8, 8, 3), r"Step 1 \(resize\)"),
        ([{"do": "scale", "multiply": 2}, {"do": "crop", "height": 8, "width": 8}], (8, 8, 3), r"Step 2 \(crop\)"),
        ([{"do": "resize", "height": 8, "width": 8}, {"do": "scale", "multiply": 1e-4}], (8, 8, 3), ""),
        ([{"do": "scale", "multiply": 1e4}], (8, 8, 3), ""),
    ],
)
def test_a_step_that_a_board_cannot_do_is_told_before_there_is_a_model(
    steps: list[dict[str, object]], shape: tuple[int, ...], words: str
) -> None:
    preprocess, board = parse({"input": "image", "steps": steps}), load_target("nrf52840-dk")
    findings = precheck_steps(preprocess, shape, board)
    assert [finding.severity for finding in findings] == ["error"] * bool(words)
    assert all(re.search(words, finding.message) for finding in findings)
    assert precheck_steps(preprocess, shape, load_target("rpi4")) == precheck_steps(None, shape, board) == []


def test_golden_vectors_of_another_runtime_are_a_warning() -> None:
    target = load_target("rpi4")
    assert same_runtime("ai-edge-litert 2.3.0", target) == []
    (finding,) = same_runtime("ai-edge-litert 9.9.9", target)
    assert (finding.severity, "9.9.9" in finding.message, "2.3.0" in finding.hint) == ("warning", True, True)
