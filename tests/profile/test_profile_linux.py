"""What comes from a device's profiler is checked, and told by ops of the model."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from edgeq.errors import ProtocolError
from edgeq.profile.linux import read, rows_of
from edgeq.profile.table import WITHIN, profiled

CONV = "Convolution (NHWC, QC8) IGEMM"
NODES = [
    {"index": 0, "code": 34, "name": "pad", "inputs": [[1, 4, 4, 1], [4, 2]], "outputs": [[1, 6, 6, 1]], "bytes": 84},
    {
        **{"index": 1, "code": 3, "name": "conv", "inputs": [[1, 6, 6, 1], [2, 3, 3, 1], [2]], "bytes": 94},
        "outputs": [[1, 4, 4, 2]],
    },
    {"index": 2, "code": 25, "name": "softmax", "inputs": [[1, 32]], "outputs": [[1, 32]], "bytes": 64},
]
EVENTS = [[8, 0, CONV], [2, 2, "SOFTMAX"]]
FACTS = {"runtime": "ai-edge-litert 2.3.0", "threads": 1, "kernels": "xnnpack", "clock_ns": 1000}


def detail(**changed: Any) -> bytes:
    return zlib.compress(json.dumps({**FACTS, "events": EVENTS, "graph": NODES, **changed}).encode())


def test_a_row_tells_how_a_filter_moves_where_the_agent_does() -> None:
    told = [NODES[0], {**NODES[1], "options": {"stride_h": 1, "stride_w": 2, "dilation_h": 3}}, NODES[2]]
    samples = [20_000, 5_000, 30_000]
    rows, _ = rows_of(read(detail(graph=told), samples, 1))
    table = profiled(rows, [30_000], {"unit": "ns"}, [])
    assert table["ops"][1]["window"] == {"size": [3, 3], "stride": [1, 2], "dilation": [3, 1], "channels": [1, 2]}
    assert [op["outputs"] for op in table["ops"]] == [36, 32, 32]
    old, _ = rows_of(read(detail(), samples, 1))
    assert all("window" not in op for op in profiled(old, [30_000], {"unit": "ns"}, [])["ops"])


def test_rows_have_the_ops_of_the_model() -> None:
    rows, notes = rows_of(read(detail(), [20_000, 5_000, 30_000, 22_000, 5_000, 31_000], 2))
    assert [(row.index, row.op, row.kernel, row.count) for row in rows] == [
        (0, "PAD", WITHIN, 0),
        (1, "CONV_2D", f"XNNPACK {CONV}", 1),
        (2, "SOFTMAX", "builtin", 1),
    ]
    assert (rows[1].macs, rows[1].name, rows[1].spent) == (4 * 4 * 2 * 9, "conv", [20_000, 22_000])
    assert notes == ["1 op takes less than 10 us, which whole microseconds tell only roughly."]
    table = profiled(rows, [30_000, 31_000], {"unit": "ns"}, notes)
    assert (table["total"], table["between"], table["whole"], table["runs"]) == (26_000, 4_500, 30_500, 2)


@pytest.mark.parametrize(
    ("events", "loose"),
    [
        ([[8, 0, "Somersault (NC)"], [2, 2, "SOFTMAX"]], ["Somersault (NC)"]),
        ([[2, 3, "VendorDelegate"], [2, 2, "SOFTMAX"]], ["VendorDelegate"]),
        ([[8, 0, CONV], [2, 2, "TANH"]], ["TANH"]),
    ],
)
def test_what_belongs_to_no_op_stands_by_itself(events: list[list[Any]], loose: list[str]) -> None:
    rows, notes = rows_of(read(detail(events=events), [1, 2, 3], 1))
    assert [row.op for row in rows if row.index is None] == loose
    assert "could not be told" in notes[0]
    assert WITHIN not in [row.kernel for row in rows]


@pytest.mark.parametrize(
    "spoilt",
    [
        b"not deflated",
        zlib.compress(b"[1, 2]"),
        detail(graph=[{**NODES[0], "code": 9999}]),
        detail(graph=[{**NODES[0], "index": 7}]),
        detail(graph=[{"index": 0}]),
        detail(graph=[NODES[0], {**NODES[1], "options": 7}, NODES[2]]),
        detail(graph=[NODES[0], {**NODES[1], "options": {"stride_h": "x"}}, NODES[2]]),
        detail(events=[]),
        detail(events=[[8, 0]]),
        detail(threads=None),
    ],
)
def test_a_damaged_answer_is_said_to_be_one(spoilt: bytes) -> None:
    with pytest.raises(ProtocolError, match="damaged profile"):
        read(spoilt, [1, 2, 3], 1)


def test_samples_that_are_not_those_of_the_ops_are_refused() -> None:
    with pytest.raises(ProtocolError, match="4 samples of 2 ops and 1 runs"):
        read(detail(), [1, 2, 3, 4], 1)
