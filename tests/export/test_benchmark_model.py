"""Exports parse with LiteRT's own protobuf messages and keep the figures."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import UsageError
from edgeq.export.benchmark_model import benchmark_result, profiling_data
from edgeq.profile.table import Row, profiled
from edgeq.run import read_run

ROWS = [
    Row("PAD", "none of its own", [0, 0], 0, 0, "pad"),
    Row("CONV_2D", "XNNPACK Convolution (NHWC, QC8) IGEMM", [20_000, 30_000], 1, 1, "conv", 288),
    Row("SOFTMAX", "builtin", [1_000, 2_000], 1, 2, "out", 0),
]
PROFILE = profiled(ROWS, [40_000, 40_000], {"unit": "ns", "how": "measured", "source": "x"}, [])


PARSE = """
import sys
from ai_edge_litert.profiling_info_pb2 import BenchmarkProfilingData
from google.protobuf import json_format
parsed = json_format.Parse(sys.stdin.read(), BenchmarkProfilingData())
print(json_format.MessageToJson(parsed, preserving_proto_field_name=True))
"""


def test_the_message_parses_with_its_own_module() -> None:
    """In a process of its own: TensorFlow brings a message of the same name."""
    if importlib.util.find_spec("ai_edge_litert.profiling_info_pb2") is None:
        pytest.skip("this ai_edge_litert has no profiling_info_pb2")
    document = json.dumps(profiling_data(PROFILE, "kws"))
    done = subprocess.run([sys.executable, "-c", PARSE], input=document, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    parsed = json.loads(done.stdout)
    assert parsed["model_name"] == "kws"
    conv, softmax = parsed["runtime_profile"]["subgraph_profiles"][0]["per_op_profiles"]
    assert (conv["node_type"], conv["name"]) == ("Convolution (NHWC, QC8) IGEMM", "[conv]:1")
    assert int(conv.get("run_order", 0)) == 0
    stat = {name: float(value) for name, value in conv["inference_microseconds"].items()}
    names = ("first", "last", "avg", "min", "max", "sum", "count", "stddev", "variance")
    assert [stat[name] for name in names] == [20, 30, 25, 20, 30, 50, 2, 5, 25]
    assert int(conv["times_called"]) == 1
    assert (softmax["node_type"], int(softmax["run_order"])) == ("SOFTMAX", 1)


def test_instructions_are_no_microseconds() -> None:
    with pytest.raises(UsageError, match="instructions"):
        profiling_data({**PROFILE, "unit": "instructions"}, "kws")


FLOAT, INT64, INT32, STRING = 2, 3, 5, 9
"""Types in descriptors."""
LATENCY = (
    *("avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms", "p95_ms", "init_ms"),
    *("first_inference_ms", "average_warm_up_ms"),
)
RESULT = {
    "LatencyMetrics": dict.fromkeys(LATENCY, FLOAT),
    "MemoryMetrics": {"init_footprint_kb": INT64, "overall_footprint_kb": INT64, "peak_mem_mb": FLOAT},
    "MiscMetrics": {
        "model_size_mb": FLOAT,
        "num_runs": INT32,
        "num_warmup_runs": INT32,
        "model_throughput_in_mb_per_sec": FLOAT,
    },
}
"""tensorflow/lite/tools/benchmark/proto/benchmark_result.proto (2025), whose fields have these places, from 1."""


def result_message() -> Any:
    """The message `BenchmarkResult`, made of what its file says: no wheel has it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="benchmark_result.proto", package="t", syntax="proto2")
    whole = {"latency_metrics": "LatencyMetrics", "memory_metrics": "MemoryMetrics", "misc_metrics": "MiscMetrics"}
    for name, fields in RESULT.items():
        message = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            message.field.add(name=key, number=number, type=kind, label=1)
    message = file.message_type.add(name="BenchmarkResult")
    message.field.add(name="name", number=1, type=STRING, label=1)
    for number, (key, part) in enumerate(whole.items(), 2):
        message.field.add(name=key, number=number, type=11, type_name=f".t.{part}", label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.BenchmarkResult"))()


RUNS = sorted((Path(__file__).parents[1] / "cases" / "runs").rglob("*.json"))


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_run_in_the_tools_words(path: Path) -> None:
    run = read_run(path)
    invoke = run.one("invoke")
    if invoke is None:
        with pytest.raises(UsageError, match="no latency"):
            benchmark_result(run)
        return
    result = benchmark_result(run)
    latency = result["latency_metrics"]
    assert latency["min_ms"] <= latency["median_ms"] <= latency["p95_ms"] <= latency["max_ms"]
    assert latency["avg_ms"] == pytest.approx(sum(invoke.values) / len(invoke.values) / 1e6)
    assert result["misc_metrics"]["num_runs"] == len(invoke.values)
    assert latency["min_ms"] <= latency["p5_ms"] <= latency["median_ms"]
    assert json.loads(json.dumps(result)) == result
    json_format = pytest.importorskip("google.protobuf.json_format", reason="protobuf is not installed")
    parsed = json_format.Parse(json.dumps(result), result_message())
    assert parsed.misc_metrics.num_runs == len(invoke.values)
    load = run.one("rss_load")
    assert parsed.memory_metrics.init_footprint_kb == (round(load.values[0] / 1024) if load else 0)
