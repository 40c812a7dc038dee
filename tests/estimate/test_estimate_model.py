"""Costs learned from models tell others within the error bars, say nothing beyond what was seen, and are tried on each
model without itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgeq.estimate.model import FEWEST, interval, learn, leave_one_out, predict
from edgeq.estimate.table import Item, Measured, Size, Spent, item_of
from edgeq.model.window import Window

EXTRA = 5_000.0


def true_cost(item: Item) -> float:
    each, per_mac, per_byte = {"CONV_2D": (900, 0.8, 0.3), "ADD": (150, 0.0, 0.5)}[item.op]
    return each + per_mac * item.macs + per_byte * item.bytes


def network(width: int, depth: int) -> tuple[Item, ...]:
    """A chain of convolutions that grow, each with an addition behind it."""
    convs = [
        Item("CONV_2D", Size(9 * width * 256 * (1 + place), 256 * (width + 4 * place)), "", place)
        for place in range(depth)
    ]
    return (*convs, *(Item("ADD", Size(0, 512 * width + 64 * place), "", depth + place) for place in range(depth)))


def measured(items: Sequence[Item], name: str = "m", noise: float = 0.0, seed: int = 0) -> Measured:
    rng = np.random.default_rng(seed)
    model = math.exp(rng.normal(0, noise))
    ops = [
        Spent(item.op, (item.size,), true_cost(item) * model * math.exp(rng.normal(0, noise)), item.variant)
        for item in items
    ]
    whole = sum(op.took for op in ops) + EXTRA
    return Measured(name, sum(item.macs for item in items), whole, tuple(ops))


NETWORKS = [network(width, depth) for width, depth in ((8, 5), (12, 4), (16, 6), (24, 5), (32, 4))]


def test_another_network_is_told() -> None:
    costs = learn([measured(items) for items in NETWORKS])
    items = network(20, 5)
    told = predict(costs, items)
    assert told.total == pytest.approx(sum(map(true_cost, items)) + EXTRA, rel=0.01)
    assert [one.cost for one in told.ops] == pytest.approx([true_cost(item) for item in items], rel=0.02)
    assert costs.extra == pytest.approx(EXTRA)


@pytest.mark.parametrize("factor", [0.001, 1000])
def test_beyond_the_sizes_seen_there_is_no_data(factor: float) -> None:
    costs = learn([measured(items) for items in NETWORKS])
    item = NETWORKS[2][0]
    told = predict(costs, [Item("CONV_2D", Size(int(item.macs * factor), item.bytes), "")])
    assert told.total is None and told.ops[0].cost is None
    assert "multiply-accumulates, seen were" in told.ops[0].why


def test_an_op_never_seen_has_no_data_and_is_named() -> None:
    costs = learn([measured(items) for items in NETWORKS])
    told = predict(costs, [*NETWORKS[1], Item("SOFTMAX", Size(0, 10_000), "")])
    assert told.total is None and "SOFTMAX" in told.why
    assert told.ops[-1].why == "this kind of op was never seen"
    assert told.covered == pytest.approx(sum(map(true_cost, NETWORKS[1])), rel=0.01)


def test_a_trifle_without_data_does_not_hide_the_total() -> None:
    costs = learn([measured(items) for items in NETWORKS])
    told = predict(costs, [*NETWORKS[1], Item("SOFTMAX", Size(0, 20), "")])
    assert told.total is not None and told.ops[-1].cost is None


def test_what_is_quicker_than_the_profiler_s_clock_has_no_data() -> None:
    """XNNPACK's ops of MLPerf Tiny's ad take less than the microsecond that LiteRT's profiler counts: told was 4 x."""
    step = 20_000.0

    def cut(items: Sequence[Item]) -> Measured:
        exact = measured(items)
        ops = tuple(replace(op, took=step * (op.took // step)) for op in exact.ops)
        return replace(exact, ops=ops, coarse=step)

    table = [cut(items) for items in NETWORKS]
    quick = tuple(replace(item, index=place) for place, item in enumerate(NETWORKS[0][-5:] * 3))
    assert max(map(true_cost, quick)) < step
    told = predict(learn(table), quick)
    assert told.total is None and "quicker than the steps of the profiler's clock" in told.why
    assert predict(learn(table), quick, beyond=True).total is not None
    assert predict(learn(table), network(20, 5)).total == pytest.approx(measured(network(20, 5)).whole, rel=0.1)
    assert predict(learn([measured(items) for items in NETWORKS]), quick).total is not None


def test_what_the_profiler_itself_costs_is_a_factor() -> None:
    slow = [measured(items) for items in NETWORKS]
    halved = [Measured(one.model, one.macs, (one.whole - EXTRA) / 2, one.ops) for one in slow]
    costs = learn(halved)
    assert costs.factor == pytest.approx(0.5) and costs.extra == 0


def test_each_model_is_told_without_itself() -> None:
    """A model that is unlike the others is told wrongly, and nothing of it helps the telling."""
    others = [measured(items, f"m{place}") for place, items in enumerate(NETWORKS)]
    odd = measured(network(14, 5), "odd")
    slow = Measured("odd", odd.macs, 3 * odd.whole, tuple(replace(op, took=3 * op.took) for op in odd.ops))
    left = {one.model: one for one in leave_one_out([*others, slow])}
    assert left["odd"].error == pytest.approx(1 / 3 - 1, abs=0.02)
    again = leave_one_out([*others, slow, Measured("odd-again", slow.macs, slow.whole, slow.ops)])
    assert [one.error for one in again if one.model == "odd"] == [left["odd"].error]
    assert len(again) == len(others) + 1


def test_a_model_of_a_kind_of_its_own_cannot_be_left_out() -> None:
    alone = Measured("alone", 0, 100.0, (Spent("TANH", (Size(0, 64),), 90.0, ""),))
    left = leave_one_out([*[measured(items) for items in NETWORKS], alone])
    assert left[-1].predicted is None and "TANH" in left[-1].why
    only = leave_one_out([alone])
    assert only[0].why == "no other model was measured"
    assert interval(100, only) is None


def test_the_interval_holds_as_often_as_it_says() -> None:
    """100 worlds of five measured networks each; 90 % are promised."""
    held = 0
    for world in range(100):
        table = [measured(items, f"m{place}", 0.1, 10 * world + place) for place, items in enumerate(NETWORKS)]
        target = measured(network(20, 5), "new", 0.1, 10 * world + 9)
        total = predict(learn(table), target.items).total
        assert total is not None
        bars = interval(total, leave_one_out(table))
        assert bars is not None
        held += bars[0] <= target.whole <= bars[1]
    assert held >= 84  # 90 of 100, less twice the standard deviation of such a count


def test_few_models_give_no_interval() -> None:
    left = leave_one_out([measured(items) for items in NETWORKS])
    assert interval(1.0, left[: FEWEST - 1]) is None
    assert interval(1.0, left[:FEWEST]) is not None


def test_whole_models_give_a_rate_with_its_spread() -> None:
    table = [Measured(f"m{macs}", macs, 10.0 * macs * wrong) for macs, wrong in ((100, 0.8), (200, 1.0), (400, 1.25))]
    costs = learn(table)
    told = predict(costs, [Item("CONV_2D", Size(150, 9)), Item("CONV_2D", Size(100, 9))])
    assert told.total == pytest.approx(2500) and not told.ops
    assert costs.rate and costs.rate.spread == pytest.approx(0.25, abs=0.001)
    assert predict(costs, [Item("CONV_2D", Size(99, 9))]).total is None
    assert [one.beyond for one in leave_one_out(table)] == [True, False, True]


def test_ops_that_are_told_together_share_their_cost() -> None:
    """A publication that sums up all ops of a kind: sizes within a factor of two tell no part that does not grow."""
    table = [
        Measured("a", 3000, 310.0, (Spent("CONV_2D", (Size(1000, 9), Size(2000, 9)), 300.0),)),
        Measured("b", 6000, 610.0, (Spent("CONV_2D", (Size(1500, 9), Size(2500, 9), Size(2000, 9)), 600.0),)),
    ]
    cost = learn(table).ops["CONV_2D"]
    assert cost.per[0] == pytest.approx(0.1) and cost.each == 0
    assert (cost.low, cost.high) == (Size(1000, 9), Size(2500, 9))


def conv(side: int, taps: int, channels: int, out: int, joined: bool = False) -> Item:
    """One convolution of a square picture, with the sizes that its shapes give."""
    window = Window((taps, taps), (1, 1), (1, 1), (channels, out))
    pixels = side * side
    macs, size = pixels * out * taps * taps * channels, pixels * (channels + out) + taps * taps * channels * out
    return item_of("CONV_2D", macs, size, pixels * out, window, ["ADD"] if joined else ["PAD"])


def by_parts(item: Item) -> float:
    """As kernels work: values are gathered for each place of the filter, summed up, scaled, and added to others."""
    return 700 + item.macs + 9 * item.size.outputs + 6 * item.size.gathered + 40 * item.size.joined


WIDE = [
    tuple(conv(side, 3, side // scale, out, joined=out == 24) for side in (8, 12, 24) for out in (4, 24, 48))
    for scale in (1, 2, 4)
]


def told_by_parts(items: Sequence[Item]) -> Measured:
    ops = tuple(Spent(item.op, (item.size,), by_parts(item), item.variant) for item in items)
    return Measured(str(items), sum(item.macs for item in items), sum(op.took for op in ops), ops)


def test_convolutions_of_one_size_are_told_apart_by_their_filters() -> None:
    few, many = conv(16, 3, 4, 32), conv(16, 3, 32, 4)
    joined = conv(16, 3, 8, 16, joined=True)
    assert few.size[:2] == many.size[:2] and by_parts(many) > 1.5 * by_parts(few)
    told = predict(learn([told_by_parts(items) for items in WIDE]), [few, many, joined])
    assert [one.cost for one in told.ops] == pytest.approx([by_parts(few), by_parts(many), by_parts(joined)], rel=0.03)


def test_variants_share_a_line_and_have_a_factor() -> None:
    """Three dilated ones in one network are enough: that they take twice as much goes for those of any size."""
    dilated = [replace(item, variant="dilated") for item in WIDE[1][:3]]
    ops = tuple(Spent(item.op, (item.size,), 2 * by_parts(item), item.variant) for item in dilated)
    one = Measured("d", 1, sum(op.took for op in ops), ops)
    cost = learn([*(told_by_parts(items) for items in WIDE), one]).ops["CONV_2D"]
    assert cost.factors == {"": 1.0, "dilated": pytest.approx(2, rel=0.01)}
    large = WIDE[0][8]
    assert cost.of(replace(large, variant="dilated")) == pytest.approx(2 * by_parts(large), rel=0.03)


def test_a_dilated_convolution_is_not_told_by_plain_ones_nor_a_pointwise() -> None:
    costs = learn([told_by_parts(items) for items in WIDE])
    plain = WIDE[1][4]
    for variant in ("dilated", "1x1"):
        for beyond in (True, False):
            told = predict(costs, [replace(plain, variant=variant)], beyond)
            assert (told.total, told.ops[0].why) == (None, "only plain ones were seen")
            assert f"CONV_2D {variant}" in told.why
    assert (conv(8, 1, 8, 8).variant, conv(8, 3, 8, 8).variant) == ("1x1", "")
    wide = Window((1, 3), (1, 1), (1, 4), (8, 8))
    assert item_of("DEPTHWISE_CONV_2D", 9, 9, 9, wide).variant == "dilated"


def test_a_run_that_does_not_tell_them_apart_makes_its_table_coarse() -> None:
    """Every part that only some of the runs have would be taken for nothing in the others."""
    fine = [told_by_parts(items) for items in WIDE]
    old = [
        replace(one, ops=tuple(Spent(op.op, (Size(*op.sizes[0][:2]),), op.took) for op in one.ops)) for one in fine[:1]
    ]
    dilated = replace(WIDE[1][4], variant="dilated")
    assert predict(learn([*old, *fine[1:]]), [dilated]).total is not None
    assert not any(learn([*old, *fine[1:]]).ops["CONV_2D"].per[2:])
    assert predict(learn(fine), [dilated]).total is None
