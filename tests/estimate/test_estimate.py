"""The verb: which table is taken, what is told, and that there is no data rather than a guess."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle

from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import UsageError
from edgeq.estimate import estimate, published, tables_in
from edgeq.estimate.table import Key, Measured, Size, Spent, Table
from edgeq.estimate.work import items_of
from edgeq.profile import profile
from edgeq.run import read_run
from edgeq.target import load_target
from edgeq.target.profile import Power

CASES = Path(__file__).resolve().parents[1] / "cases" / "runs"
KEY = Key("linux-x86_64", "a cpu", "ai-edge-litert", "2.3.0", "xnnpack", 1, "static_wi8_ai8")
HOST = "linux-x86_64"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(
        tmp_path_factory.mktemp("bundle") / "tiny",
        runtime={"name": "ai-edge-litert", "version": "2.3.0", "threads": 1, "wheels": []},
    )


def table(bundle: Bundle, key: Key = KEY, name: str = "own/a", own: bool = True) -> Table:
    """Three networks around the bundle's: of its kinds of op, smaller, larger, and in between; a MAC costs 2 ns."""
    items = items_of(bundle.path("model.tflite").read_bytes(), "")
    made = []
    for factor in (0.5, 1.25, 3.0):
        sizes = [(item, Size(*(int(part * factor) for part in item.size))) for item in items]
        ops = tuple(Spent(it.op, (size,), 100.0 + 2 * size.macs + size.bytes, it.variant) for it, size in sizes)
        made.append(Measured(f"x{factor}", sum(size.macs for _, size in sizes), sum(op.took for op in ops) + 50, ops))
    return Table(name, key, tuple(made), "made up for this test", own)


def test_a_total_with_its_interval(bundle: Bundle) -> None:
    found = estimate(bundle, load_target(HOST), [table(bundle)])
    items = items_of(bundle.path("model.tflite").read_bytes(), "")
    assert found.total == pytest.approx(sum(100 + 2 * item.macs + item.bytes for item in items) + 50, rel=0.05)
    assert found.low and found.high and found.total and found.low < found.total < found.high
    assert (found.fits, found.why, found.seen, len(found.left)) == (True, "", (), 3)
    told = found.to_json()
    assert (told["how"], told["unit"], told["confidence"]) == ("estimated", "ns", 0.9)
    assert [op["op"] for op in told["ops"]] == [item.op for item in items]
    assert all(one["error_pct"] is not None for one in told["left_out"])
    json.dumps(told, allow_nan=False)


def test_energy_is_time_times_power_with_both_errors(bundle: Bundle) -> None:
    power = Power(2000, 25, 5.0, "made up")
    found = estimate(bundle, replace(load_target(HOST), power=power), [table(bundle)])
    energy = found.energy
    assert energy and found.total and found.low
    assert energy.uj == pytest.approx(found.total * 0.002)
    assert energy.low == pytest.approx(found.low / found.total * 0.75 * energy.uj)


DIFFERENT: dict[str, dict[str, Any]] = {
    "target": {"target": "rpi4"},
    "version": {"version": "2.2.0"},
    "runtime": {"runtime": "tflite-runtime"},
    "kernels": {"kernels": "reference"},
    "threads": {"threads": 4},
    "mode": {"mode": "float32"},
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_another_key_is_no_data(bundle: Bundle, change: dict[str, Any]) -> None:
    found = estimate(bundle, load_target(HOST), [table(bundle, replace(KEY, **change))])
    assert (found.total, found.table) == (None, None)
    assert "has been learned" in found.why
    assert found.near == (() if "target" in change else ("own/a",))


def test_a_named_table_is_taken_and_said_to_be_another(bundle: Bundle) -> None:
    other = table(bundle, replace(KEY, threads=4))
    found = estimate(bundle, load_target(HOST), [other], name="own/a")
    assert found.total is not None and not found.fits
    with pytest.raises(UsageError, match="There is no table 'own/b'"):
        estimate(bundle, load_target(HOST), [other], name="own/b")


def test_threads_and_runtime_may_be_asked_for(bundle: Bundle) -> None:
    many = table(bundle, replace(KEY, threads=4))
    assert estimate(bundle, load_target(HOST), [many], threads=4).fits
    assert estimate(bundle, load_target("nucleo-l4r5zi"), published(), runtime="tflm").table
    assert not estimate(bundle, load_target("nucleo-l4r5zi"), published()).table


def test_of_two_machines_one_must_be_named(bundle: Bundle) -> None:
    both = [table(bundle), table(bundle, replace(KEY, cpu="another cpu"), "own/b")]
    with pytest.raises(UsageError, match="2 tables fit"):
        estimate(bundle, load_target(HOST), both)


def test_instructions_never_become_time(bundle: Bundle) -> None:
    counted = table(bundle, replace(KEY, unit="instructions"), "own/counted")
    found = estimate(bundle, load_target(HOST), [counted])
    assert (found.unit, found.to_json()["unit"], found.energy) == ("instructions", "instructions", None)
    both = estimate(bundle, load_target(HOST), [counted, table(bundle)])
    assert both.table and (both.table.name, both.unit) == ("own/a", "ns")


def test_too_few_models_give_no_total(bundle: Bundle) -> None:
    full = table(bundle)
    found = estimate(bundle, load_target(HOST), [replace(full, measured=full.measured[::2])])
    assert (found.total, found.low, found.energy) == (None, None, None)
    assert "no error bars: of the table's 2 models 2 can be told by the others, 3 are needed" in found.why
    assert found.covered > 0, "what ops cost is told all the same"


def test_beyond_the_sizes_seen_the_reason_names_the_op(bundle: Bundle) -> None:
    full = table(bundle)
    found = estimate(bundle, load_target(HOST), [replace(full, measured=full.measured[1:])])
    assert found.total is None and "CONV_2D" in found.why
    assert any("seen were" in told.why for told in found.ops)


def test_a_real_profile_is_learned_and_its_network_recognized(bundle: Bundle, device: Device, tmp_path: Path) -> None:
    """The runtime's profiler and the model's file count the same ops with the same sizes."""
    deploy(bundle, device)
    table = profile(device, runs=20).table
    run = replace(read_run(CASES / "local-measured.json"), profile=table)
    run.write(tmp_path / "runs" / "run.json")
    (own,) = tables_in(tmp_path / "runs").tables
    found = estimate(bundle, load_target(HOST), [own])
    assert found.fits and found.seen == (table["whole"],)
    assert [told.cost is not None for told in found.ops] == [True] * 5
