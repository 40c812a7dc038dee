from __future__ import annotations

from dataclasses import replace

import pytest
import tinymodel

from edgeq.errors import FitError
from edgeq.fit import Footprint, check, check_plan, ram_bytes, require, same_runtime, slot_bytes
from edgeq.model.tflite import ModelInfo, Operator, read_model
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


def test_golden_vectors_of_another_runtime_are_a_warning() -> None:
    target = load_target("rpi4")
    assert same_runtime("ai-edge-litert 2.3.0", target) == []
    (finding,) = same_runtime("ai-edge-litert 9.9.9", target)
    assert (finding.severity, "9.9.9" in finding.message, "2.3.0" in finding.hint) == ("warning", True, True)
