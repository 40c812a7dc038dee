"""The ops that an estimate counts are those that a profile tells: same kinds, same sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.estimate.table import Item, Size, shape_of
from edgeq.estimate.work import items_of
from edgeq.micro.compile import compile_model
from edgeq.profile import mcu

CASES = Path(__file__).resolve().parents[1] / "cases" / "models"


def of_profile(model: bytes) -> object:
    kinds = [op.kind for op in compile_model(model).plan.ops]
    rows, notes = mcu.rows_of([[(kind, 1) for kind in kinds]], model)
    assert not notes
    return shape_of(Item(row.op, Size(row.macs or 0, row.bytes or 0)) for row in rows)


@pytest.mark.parametrize("name", ["tiny_int8", "batch_1_int8", "lstm_int8"])
def test_a_plan_is_counted_as_it_is_profiled(name: str) -> None:
    model = (CASES / f"{name}.tflite").read_bytes()
    assert shape_of(items_of(model, "edgeq-micro")) == of_profile(model)


@pytest.mark.parametrize("name", ["kws", "ic", "ad"])
def test_real_plans_too(name: str, shared_models: Path) -> None:
    model = (shared_models / f"{name}_mlperf_int8.tflite").read_bytes()
    assert shape_of(items_of(model, "edgeq-micro")) == of_profile(model)


def test_elsewhere_every_op_of_the_file_counts() -> None:
    items = items_of((CASES / "tiny_int8.tflite").read_bytes(), "ai-edge-litert")
    assert [item.op for item in items] == ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert [item.index for item in items] == list(range(5))
    assert [item.macs > 0 for item in items] == [True, True, False, True, False]
    assert all(item.bytes > 0 and item.name for item in items)
