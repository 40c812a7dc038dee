"""A profile, told: what each op took, its part of all ops, and what lies between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.render.words import op_name, ops_words, spent
from edgeq.report.ops import ops
from edgeq.run import read_run

PI = read_run(Path(__file__).resolve().parents[1] / "cases" / "reports" / "pi5-sustained.json")


def profiled(*rows: dict[str, Any], **more: Any) -> Any:
    return ops(replace(PI, profile={"unit": "ns", "how": "measured", "ops": list(rows), **more}))


def test_shares_are_of_all_ops_and_the_rest_lies_between() -> None:
    found = ops(PI)
    assert found is not None
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    assert found.between == pytest.approx(found.whole - sum(op.spent for op in found.ops))
    assert [op.name for op in found.slowest(2)] == ["conv1", "pw1"]
    assert not found.middle


def test_the_middle_of_the_runs_goes_before_their_average() -> None:
    found = profiled({"op": "A", "avg": 9.0, "mid": 3.0}, {"op": "B", "avg": 1.0, "mid": 1.0}, whole=5.0, between=0.5)
    assert [op.share for op in found.ops] == [0.75, 0.25]
    assert (found.middle, found.between) == (True, 0.5)


def test_what_another_op_does_is_said_and_what_did_not_run_is_left_out() -> None:
    found = profiled({"op": "A", "avg": 2.0, "also": [4], "count": 1}, {"op": "B", "avg": 0.0, "count": 0})
    assert [(op.op, op.index) for op in found.ops] == [("A +4", None)]


def test_a_whole_below_its_ops_leaves_nothing_between() -> None:
    assert profiled({"op": "A", "avg": 2.0}, whole=1.5, between=-0.5).between == 0
    assert profiled({"op": "A", "avg": 0.0}).ops[0].share == 0


def test_below_its_clock_no_more_is_known() -> None:
    found = profiled({"op": "A", "avg": 9.0, "mid": 0.0}, {"op": "B", "avg": 5e3}, clock_ns=1000, notes=["Rough."])
    assert [spent(op.spent, found.unit, found.tick) for op in found.ops] == ["under 1.00 us", "5.00 us"]
    assert ops_words(found).endswith("; Rough")


def test_of_a_fused_layer_s_names_the_first_one_s_end_is_told() -> None:
    found = profiled({"op": "CONV_2D", "index": 3, "avg": 1.0, "name": "seq/relu_1/Relu;seq/bn/add;seq/conv"})
    assert op_name(found.ops[0]) == "3 CONV_2D relu_1/Relu"


@pytest.mark.parametrize("profile", [None, {}, {"ops": []}, {"ops": [{"op": "A", "avg": "x"}, 5]}])
def test_no_profile_is_none(profile: Any) -> None:
    assert ops(replace(PI, profile=profile)) is None


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ({"size": [3, 3], "stride": [1, 1], "dilation": [1, 1]}, "CONV_2D 3x3"),
        ({"size": [10, 4], "stride": [2, 2], "dilation": [1, 1]}, "CONV_2D 10x4/2"),
        ({"size": [1, 5], "stride": [1, 2], "dilation": [1, 4]}, "CONV_2D 1x5/1x2 d1x4"),
        ({"size": [3, 3]}, "CONV_2D"),
        ({"size": 3, "stride": 1, "dilation": 1}, "CONV_2D"),
        (None, "CONV_2D"),
    ],
)
def test_a_filter_is_told_with_its_stride_and_dilation(window: Any, told: str) -> None:
    found = profiled({"op": "CONV_2D", "avg": 2.0, "window": window, "also": [4]})
    assert [op.op for op in found.ops] == [f"{told} +4"]
