"""Runs are learned from, or refused with the reason; those that are kept make the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import ArtifactError, UsageError
from edgeq.estimate.learned import keep, kept_folder, measured_of, tables_in, unfit
from edgeq.estimate.table import Size
from edgeq.results import publish
from edgeq.run import Issue, Run, read_run

CASES = Path(__file__).resolve().parents[1] / "cases" / "runs"


def op(index: int | None, kind: str = "CONV_2D", **more: Any) -> dict[str, Any]:
    made = {"op": kind, "name": f"t{index}", "kernel": "XNNPACK", "count": 1, "avg": 90.0, "mid": 80.0}
    return {**made, **({} if index is None else {"index": index}), "macs": 1000, "bytes": 64, **more}


def run(name: str = "one", **profile: Any) -> Run:
    base = read_run(CASES / "local-measured.json")
    said = {"unit": "ns", "how": "measured", "source": "the profiler", "runs": 5, "whole": 200.0, "threads": 1}
    said |= {"kernels": "xnnpack", "clock_ns": 1000, "ops": [op(0), op(1, "ADD", macs=0, mid=20.0)]}
    return replace(base, release={**base.release, "name": name}, profile={**said, **profile})


def test_what_a_run_says() -> None:
    key, measured = measured_of(run())
    assert str(key) == (
        "linux-x86_64 (Synthetic CPU @ 2.50GHz), ai-edge-litert 2.3.0, xnnpack kernels, 1 thread, static_wi8_ai8"
    )
    assert [(spent.op, spent.sizes, spent.took) for spent in measured.ops] == [
        ("CONV_2D", (Size(1000, 64),), 80.0),
        ("ADD", (Size(0, 64),), 20.0),
    ]
    assert (measured.whole, measured.macs, measured.coarse) == (200.0, 1000, 1000)


WINDOW = {"size": [1, 1], "stride": [1, 1], "dilation": [1, 1], "channels": [8, 4]}


def test_what_a_newer_run_says_of_filters() -> None:
    rows = [op(0, outputs=16, window=WINDOW, also=[1], also_ops=["ADD"]), op(2, "ADD", outputs=16)]
    _, measured = measured_of(run(ops=rows))
    assert [(spent.op, spent.variant, spent.sizes) for spent in measured.ops] == [
        ("CONV_2D", "1x1", (Size(1000, 64, 16, 32, 16),)),
        ("ADD", "", (Size(1000, 64, 16),)),
    ]


def test_an_op_whose_filter_is_not_told_is_of_no_known_kind() -> None:
    _, measured = measured_of(run(ops=[op(0, outputs=16), op(1, "ADD", outputs=16)]))
    assert [spent.variant for spent in measured.ops] == [None, ""]


ISSUE = (Issue("throttled", "degraded", "It was throttled."),)
UNFIT: Mapping[str, tuple[Run, str]] = {
    "no profile": (replace(run(), profile=None), "no profile of its ops"),
    "invalid": (replace(run(), verdict="invalid", issues=(Issue("no_samples", "invalid", "None."),)), "no_samples"),
    "degraded": (replace(run(), verdict="degraded", issues=ISSUE), "degraded (throttled)"),
    "emulated": (run(how="emulated"), "an emulator's"),
    "kernels only": (run(ops=[op(None)]), "does not say which ops"),
    "one loose": (run(ops=[op(0), op(None)]), "does not say which ops"),
    "no ops": (run(ops=[]), "does not say which ops"),
    "no sizes": (run(ops=[op(0, bytes=None)]), "lacks the sizes"),
    "less than no time": (run(ops=[op(0, mid=-1.0)]), "less than no time"),
    "no time": (run(whole=0.0), "took no time"),
}


@pytest.mark.parametrize(("bad", "why"), UNFIT.values(), ids=UNFIT)
def test_what_nothing_is_learned_from(bad: Run, why: str, tmp_path: Path) -> None:
    assert why in unfit(bad)
    bad.write(tmp_path / "run.json")
    with pytest.raises(UsageError, match="Nothing can be learned"):
        keep(tmp_path / "run.json")
    found = tables_in(tmp_path)
    assert not found.tables and why in found.aside["run.json"]


DAMAGED: list[dict[str, Any]] = [
    {"ops": [{"index": 0, "macs": 1, "bytes": 1}]},
    {"ops": 7},
    {"whole": "x"},
    {"ops": [op(0, outputs=16, window={"size": [3]})]},
    {"ops": [op(0, outputs=16, window={**WINDOW, "dilation": [0, 1]})]},
]


@pytest.mark.parametrize("profile", DAMAGED)
def test_a_damaged_profile_is_said_to_be(profile: dict[str, Any]) -> None:
    assert "its profile is damaged" in unfit(run(**profile))


def test_instructions_of_an_emulator_are_learned_as_instructions() -> None:
    counted = run(unit="instructions", how="emulated")
    assert not unfit(counted) and measured_of(counted)[0].unit == "instructions"


def test_runs_are_kept_once_and_make_one_table_for_each_key(tmp_path: Path) -> None:
    for name, threads in (("a", 1), ("b", 1), ("c", 4)):
        run(name, threads=threads).write(tmp_path / f"{name}.json")
        first = keep(tmp_path / f"{name}.json")
        assert keep(tmp_path / f"{name}.json") == first
    assert len(list(kept_folder().iterdir())) == 3
    tables = {table.name: table for table in tables_in().tables}
    cpu = "linux-x86_64/synthetic-cpu-2-50ghz/ai-edge-litert/2.3.0/xnnpack"
    assert {name: len(table.measured) for name, table in tables.items()} == {
        f"own/{cpu}/t1/static_wi8_ai8": 2,
        f"own/{cpu}/t4/static_wi8_ai8": 1,
    }
    assert all(table.own for table in tables.values())
    assert tables[f"own/{cpu}/t1/static_wi8_ai8"].source == "2 runs of your own on local"


def test_kept_runs_hold_no_samples(tmp_path: Path) -> None:
    run().write(tmp_path / "run.json")
    _, kept = keep(tmp_path / "run.json")
    assert read_run(kept).series == () and read_run(kept).profile == run().profile


def test_without_kept_runs_there_are_no_tables(tmp_path: Path) -> None:
    assert tables_in() == ((), {})
    with pytest.raises(UsageError, match="no folder"):
        tables_in(tmp_path / "none")


def test_what_is_no_run_is_passed_over_in_a_folder_and_refused_alone(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    run().write(tmp_path / "run.json")
    found = tables_in(tmp_path)
    assert len(found.tables) == 1 and "not a run" in found.aside["x.json"]
    with pytest.raises(ArtifactError):
        keep(tmp_path / "x.json")


def test_a_bench_that_lies_in_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    publish(run(), tmp_path / "20261127T000000Z-pi" / "run.json")
    assert len(tables_in(tmp_path).tables) == 1
    keep(tmp_path / "20261127T000000Z-pi")
    assert len(tables_in().tables) == 1
