"""Whole models: the plan, the arena and the bytes that TFLM gives, with and without fusion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.native import NativeModel

OFFICIAL = ("kws", "ic", "ad")
TFLM_ARENA = {"kws": 22_820, "ic": 54_996, "ad": 2_580}
"""TFLM + CMSIS-NN, gcc 12.2, Cortex-M4 (tflite-micro 90b983c2)."""


def official(shared_models: Path, name: str) -> bytes:
    return (shared_models / f"{name}_mlperf_int8.tflite").read_bytes()


def outputs(compiled: Compiled, inputs: list[list[bytes]]) -> list[list[bytes]]:
    with NativeModel(compiled.image()) as model:
        return [model.invoke(item) for item in inputs]


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_models_are_tflms_bytes_fused_or_not(shared_models: Path, name: str) -> None:
    tflm = pytest.importorskip("oracles").tflm
    data = official(shared_models, name)
    fused, plain = compile_model(data), compile_model(data, fuse=False)
    shape, rng = fused.graph.tensors[fused.graph.inputs[0]].shape, np.random.default_rng(1)
    steps = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(10)]
    expected = [[array.tobytes() for array in step] for step in tflm(data, steps)]
    raw = [[array.tobytes() for array in step] for step in steps]
    assert outputs(fused, raw) == outputs(plain, raw) == expected


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_arena_is_the_bound_and_less_than_tflms(shared_models: Path, name: str) -> None:
    arena = compile_model(official(shared_models, name)).arena
    assert arena.bytes == arena.bound < TFLM_ARENA[name]


def test_residuals_are_added_in_their_convolutions(shared_models: Path) -> None:
    plan = compile_model(official(shared_models, "ic")).plan
    assert [op.name for op in plan.ops] == ["conv_i8"] * 9 + ["avgpool_i8", "fc_i8", "softmax_i8"]


def test_two_compilations_are_byte_identical(shared_models: Path) -> None:
    data = official(shared_models, "kws")
    assert compile_model(data).image(b"{}") == compile_model(data).image(b"{}")
