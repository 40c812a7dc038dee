"""A profile and a run in the form of LiteRT's `benchmark_model`: protobuf messages as JSON, with their field names.

`BenchmarkProfilingData` is `tflite/profiling/proto/profiling_info.proto`, which `ai_edge_litert.profiling_info_pb2`
parses; `BenchmarkResult` is `tensorflow/lite/tools/benchmark/proto/benchmark_result.proto`, that of its
`--result_file_path`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.errors import UsageError
from edgeq.run import Run, Series
from edgeq.stats import summarize

MIB = 1 << 20
XNNPACK = "XNNPACK "


def profiling_data(profile: Mapping[str, Any], model: str) -> dict[str, Any]:
    """`BenchmarkProfilingData` of one profile. Its figures are whole microseconds, so that instructions are none."""
    if profile["unit"] != "ns":
        raise UsageError(
            "benchmark_model's form holds microseconds; this device counts instructions, which are no time.",
            "Take the profile itself (--json).",
        )
    ran = [op for op in profile["ops"] if op["count"]]
    graph = {
        "subgraph_name": "main",
        "subgraph_index": 0,
        "per_op_profiles": [_op(op, order, profile["runs"]) for order, op in enumerate(ran)],
    }
    return {"model_name": model, "runtime_profile": {"subgraph_profiles": [graph]}}


def _op(op: Mapping[str, Any], order: int, runs: int) -> dict[str, Any]:
    kernel = op["kernel"]
    name = f"[{op.get('name') or op['op']}]"
    return {
        "node_type": kernel.removeprefix(XNNPACK) if kernel.startswith(XNNPACK) else op["op"],
        "inference_microseconds": {
            **{key: round(op[key] / 1e3) for key in ("first", "last", "avg", "min", "max")},
            "stddev": op["std"] / 1e3,
            "variance": (op["std"] / 1e3) ** 2,
            "sum": round(op["avg"] * runs / 1e3),
            "count": runs,
        },
        "times_called": op["count"],
        "name": f"{name}:{op['index']}" if "index" in op else name,
        "run_order": order,
    }


def benchmark_result(run: Run) -> dict[str, Any]:
    """`BenchmarkResult` of one run; what was not measured is left out. `UsageError` where it has no times."""
    invoke = run.one("invoke")
    if invoke is None:
        raise UsageError("The run has no latency: this device counts instructions, which are no time.", "")
    found = summarize(invoke.values)
    figures = {
        "avg_ms": found.mean,
        "min_ms": found.min,
        "max_ms": found.max,
        "stddev_ms": found.std,
        "median_ms": found.p50,
        "p5_ms": float(np.percentile(invoke.values, 5)),
        "p95_ms": found.p95,
        "init_ms": _first(run.one("init")),
        "first_inference_ms": _first(run.one("first_inference")),
        "average_warm_up_ms": _mean(run.one("warmup")),
    }
    size = run.release["model_bytes"]
    return {
        "name": run.release["name"],
        "latency_metrics": {key: value / 1e6 for key, value in figures.items() if value is not None},
        "memory_metrics": _memory(run),
        "misc_metrics": {
            "model_size_mb": size / MIB,
            "num_runs": found.n,
            "num_warmup_runs": len(warmup.values) if (warmup := run.one("warmup")) else 0,
            "model_throughput_in_mb_per_sec": size / MIB / (found.mean / 1e9),
        },
    }


def _memory(run: Run) -> dict[str, float]:
    """The tool's own words: what loading took, in KB, and the most ever, in MB."""
    load, peak = _first(run.one("rss_load")), _first(run.one("rss_peak"))
    return {
        **({} if load is None else {"init_footprint_kb": round(load / 1024)}),
        **({} if peak is None else {"peak_mem_mb": peak / MIB}),
    }


def _first(series: Series | None) -> float | None:
    return series.values[0] if series and series.values else None


def _mean(series: Series | None) -> float | None:
    return statistics.fmean(series.values) if series and series.values else None
