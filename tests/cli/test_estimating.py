"""The command estimate: learn, tables, a bundle; text and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from typer.testing import CliRunner

from edgeq import cli
from edgeq.errors import UsageError
from edgeq.estimate.work import items_of
from edgeq.run import Run, read_run

CASES = Path(__file__).resolve().parents[1] / "cases"
MODEL = CASES / "models" / "tiny_int8.tflite"


def edgeq(*arguments: object) -> str:
    found = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stdout


def run(name: str, factor: float) -> Run:
    """A run of a network like the tiny one, `factor` times as large."""
    base = read_run(CASES / "runs" / "local-measured.json")
    ops: list[dict[str, Any]] = [
        {
            "index": item.index,
            "op": item.op,
            "count": 1,
            "macs": int(item.macs * factor),
            "bytes": int(item.bytes * factor),
        }
        for item in items_of(MODEL.read_bytes(), "")
    ]
    ops = [{**op, "avg": 1e4 + 2 * op["macs"], "mid": 1e4 + 2 * op["macs"]} for op in ops]
    profile = {"unit": "ns", "how": "measured", "source": "", "kernels": "xnnpack", "threads": 1, "ops": ops}
    whole = sum(op["mid"] for op in ops) + 5e3
    return replace(base, release={**base.release, "name": name}, profile={**profile, "runs": 9, "whole": whole})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    runtime = {"name": "ai-edge-litert", "version": "2.3.0", "threads": 1, "wheels": []}
    return make_bundle(tmp_path / "tiny", runtime=runtime).folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "runs" / f"{name}.json" for name in ("small", "middle", "large")]
    for path, factor in zip(found, (0.5, 1.25, 3), strict=True):
        run(path.stem, factor).write(path)
    return found


def test_learn_then_estimate(bundle: Path, runs: list[Path]) -> None:
    before = edgeq("estimate", bundle)
    assert "tiny on linux-x86_64: no data: no measurement of" in before
    assert "edgeq estimate learn run.json" in before
    assert edgeq("estimate", "learn", *runs).count(": learned, linux-x86_64 (Synthetic CPU") == 3
    told = edgeq("estimate", bundle)
    assert "per inference" in told and "(estimated, 90 % interval)" in told
    assert "Each model left out and told by the others" in told and "CONV_2D" in told
    assert all(name in told for name in ("small", "middle", "large"))
    assert "2 others" in edgeq("estimate", bundle, "--top", "3")


def test_runs_of_a_folder_and_json(bundle: Path, runs: list[Path]) -> None:
    runs[0].with_name("none.json").write_text("{}")
    told = json.loads(edgeq("estimate", bundle, "--runs", runs[0].parent, "--json"))
    assert (told["how"], told["unit"], told["fits"], told["missing"]) == ("estimated", "ns", True, [])
    assert told["low"] < told["total"] < told["high"]
    assert [one["model"] for one in told["left_out"]] == ["large", "middle", "small"]
    assert list(told["aside"]) == ["none.json"]
    assert json.loads(edgeq("estimate", bundle, "--json"))["total"] is None, "nothing was kept"


def test_tables(runs: list[Path]) -> None:
    edgeq("estimate", "learn", runs[0])
    told = edgeq("estimate", "tables")
    assert "own/linux-x86_64/synthetic-cpu-2-50ghz/" in told and "mcufit-bench/esp32/tflm" in told
    document = json.loads(edgeq("estimate", "tables", "--json"))
    assert {"name", "key", "own", "unit", "models", "by_op", "source"} == set(document["tables"][0])


def test_no_data_is_said_with_what_comes_near(bundle: Path) -> None:
    told = edgeq("estimate", bundle, "--target", "esp32", "--runtime", "tflm")
    assert told.startswith("tiny on esp32: no data: ")
    assert "MEAN" in told and "this kind of op was never seen" in told
    near = edgeq("estimate", bundle, "--target", "nucleo-l4r5zi", "--json")
    assert "mlperf-tiny-0.5/nucleo-l4r5zi/tflm" in json.loads(near)["near"]


def test_a_table_of_another_device_is_taken_with_a_warning(bundle: Path) -> None:
    told = edgeq("estimate", bundle, "--table", "xnnpack-2022/rpi4/int8")
    assert "warning  This is not linux-x86_64 (" in told and "seen were 300,774,272 to 568,740,352" in told


def test_what_cannot_be_asked(bundle: Path) -> None:
    for words in (("learn",), (bundle, bundle), (bundle, "--table", "nonsense")):
        with pytest.raises(UsageError):
            edgeq("estimate", *words)
