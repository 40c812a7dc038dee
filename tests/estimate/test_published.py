"""What others published is shipped with its source, and is what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.estimate.model import interval, leave_one_out
from edgeq.estimate.published import published
from edgeq.estimate.table import Table
from edgeq.estimate.work import items_of
from edgeq.target import load_target
from edgeq.target.profile import MODES

TABLES = {table.name: table for table in published()}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_names_its_source_and_what_ran(table: Table) -> None:
    key = table.key
    assert len(table.source) > 40 and "/" in table.source and not table.own
    assert all((key.target, key.cpu, key.runtime, key.version, key.kernels)) and key.threads >= 1
    assert key.mode in MODES and key.unit == "ns"
    assert table.models == len(table.measured) >= 2
    assert all(0.01 < one.whole / one.macs < 1000 for one in table.measured), "nanoseconds per multiply-accumulate"


@pytest.mark.parametrize("name", ["nucleo-l4r5zi", "nucleo-h743zi", "nucleo-u575zi", "nrf52840-dk", "rpi4", "esp32"])
def test_a_common_board_has_a_table_of_its_core_that_gives_an_interval(name: str) -> None:
    core = load_target(name).cpu.core
    found = [table for table in TABLES.values() if table.key.cpu == core]
    assert any(interval(1.0, leave_one_out(table.measured)) for table in found)


def test_names_are_unique() -> None:
    assert len(TABLES) == len(published())


def test_the_layers_of_mcufit_bench_add_up_to_the_whole() -> None:
    """Its README says within 0.2 %, but for ResNet, which another build moved by 2.3 %; to the millisecond."""
    for one in TABLES["mcufit-bench/esp32/tflm"].measured:
        assert sum(op.took for op in one.ops) == pytest.approx(one.whole, rel=0.025)


def test_rates_are_those_that_mcufit_bench_tells() -> None:
    """MACs per cycle of its README: CONV_2D 0.073, DEPTHWISE_CONV_2D 0.044, FULLY_CONNECTED 0.022, means of models."""
    rates: dict[str, list[float]] = {}
    for one in TABLES["mcufit-bench/esp32/tflm"].measured:
        for op in one.ops:
            macs = sum(size.macs for size in op.sizes)
            if macs:
                rates.setdefault(op.op, []).append(macs / (op.took * 0.240))
    means = {op: sum(found) / len(found) for op, found in rates.items()}
    assert means["CONV_2D"] == pytest.approx(0.073, abs=0.003)
    assert means["DEPTHWISE_CONV_2D"] == pytest.approx(0.045, abs=0.003)


def test_whole_models_are_left_out_one_by_one() -> None:
    left = leave_one_out(TABLES["mlperf-tiny-1.2/nucleo-l4r5zi/x-cube-ai"].measured)
    assert [one.model for one in left] == ["kws", "vww", "ic", "ad"]
    assert [round(100 * (one.error or 0)) for one in left] == [-10, 37, 19, -31]


@pytest.mark.parametrize("name", ["kws", "ic", "ad"])
def test_sizes_are_those_of_the_published_models(name: str, shared_models: Path) -> None:
    items = items_of((shared_models / f"{name}_mlperf_int8.tflite").read_bytes(), "tflm")
    (one,) = [one for one in TABLES["mcufit-bench/esp32/tflm"].measured if one.model == name]
    assert sorted((item.op, item.macs, item.bytes) for item in items) == list(one.shape)  # type: ignore[call-overload]
