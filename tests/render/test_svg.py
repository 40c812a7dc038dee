"""Plots: well-formed, inside their box, faithful to their data."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgeq.render import svg
from edgeq.render.svg import spread
from edgeq.render.svg.time import within

positive = st.floats(1e-6, 1e12)
samples = st.lists(positive, min_size=1, max_size=80)


def parse(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert root[0].tag == "title"
    assert "nan" not in text
    assert "inf" not in re.sub(r"[a-z ]+inf[a-z/ ]+", "", text.replace("info", ""))
    return root


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9), st.integers(2, 9))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    if high <= low:
        return
    found = svg.ticks(low, high, most)
    assert len(found) <= most + 1
    slack = 1e-6 * max(abs(low), abs(high), span)
    assert all(low - slack <= tick <= high + slack for tick in found)


def test_ticks_of_known_ranges() -> None:
    assert svg.ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert svg.ticks(0.3, 1.1, 4) == [0.4, 0.6, 0.8, 1.0]
    assert svg.ticks(5, 5) == [5]
    assert svg.ticks(0, math.inf) == [0]


@given(samples, st.integers(1, 40))
def test_a_distribution_counts_every_sample(values: list[float], bins: int) -> None:
    mark = svg.Item("p50", values[0], "p50 1 ms", "measured")
    root = parse(svg.distribution(values, bins, [mark], "measured", "ms", "t"))
    boxes = list(root.iter("rect"))
    assert 1 <= len(boxes) <= bins
    for box in boxes:
        assert float(box.get("x", "")) >= svg.LEFT - 1
        assert float(box.get("x", "")) + float(box.get("width", "")) <= svg.WIDTH
    assert f"{len(values)} samples" in root.get("aria-label", "")


def share(text: str) -> list[float]:
    """Where each step of the cumulative share ends, as parts of the way from nothing to all."""
    (steps,) = (item.get("d", "") for item in parse(text).iter("path"))
    start = float(steps.split()[1].partition("V")[0])
    return [(start - float(level)) / spread.LOW for level in re.findall(r"V([\d.]+)", steps)]


def test_heights_are_proportional_and_the_share_ends_at_all() -> None:
    text = svg.distribution([1, 1, 1, 1, 2, 2], 2, [], "measured", "ms", "t")
    first, second = (float(item.get("height", "")) for item in parse(text).iter("rect"))
    assert math.isclose(first, 2 * second, rel_tol=0.01)
    ends = share(text)
    assert ends == sorted(ends)
    assert (round(ends[3], 2), round(ends[-1], 2)) == (0.67, 1.0)


def test_what_lies_outside_the_window_counts_in_the_share() -> None:
    ends = share(svg.distribution([1.0] * 9 + [50.0], 4, [], "measured", "ms", "t", (1.0, 2.0)))
    assert round(max(ends), 2) == 0.9


def tracked(warmup: list[float], steady: list[float], **more: Any) -> svg.Track:
    return svg.Track(steady, range(len(steady)), "sample", "ms", "emulated", steady[0], warmup=warmup, **more)


@given(samples, samples)
def test_a_track_draws_every_sample_in_order(warmup: list[float], steady: list[float]) -> None:
    root = parse(svg.track(tracked(warmup, steady, outliers=[0]), "t"))
    found = [item for item in root.iter("circle") if "dot" in item.get("class", "")]
    assert len(found) == len(warmup) + len(steady)
    x = [float(item.get("cx", "")) for item in found]
    assert x == sorted(x)
    assert len([item for item in root.iter("circle") if item.get("class") == "ring"]) == 1


def test_a_long_track_keeps_its_peaks_and_stays_small() -> None:
    values = [1.0] * 50_000
    values[31_337] = 9.0
    text = svg.track(tracked([], values), "t")
    assert len(text) < 40_000
    tops = [float(top) for top in re.findall(r"V([\d.]+)", text)]
    assert len({round(top) for top in tops}) == 2
    assert min(tops) < 40


def test_of_many_samples_the_middle_is_dark_and_all_of_them_pale() -> None:
    values = [2.0 if index % 20 else 9.0 for index in range(20_000)]
    text = svg.track(tracked([], values), "t")
    pale, dark = (part.partition('"/>')[0] for part in text.split('<path class="strip')[1:])
    assert pale.startswith(" pale")
    heights = [
        [float(low) - float(high) for low, high in re.findall(r" ([\d.]+)V([\d.]+)", part)] for part in (pale, dark)
    ]
    assert min(heights[0]) > 50
    assert max(heights[1]) < 3


def test_what_is_far_above_all_others_is_a_triangle_at_the_top() -> None:
    root = parse(svg.track(tracked([], [1.0, 2.0, 900.0, 1.5], ceiling=3.0), "t"))
    assert len([item for item in root.iter("path") if str(item.get("d")).endswith("z")]) == 1
    assert len([item for item in root.iter("circle") if "dot" in item.get("class", "")]) == 3


def test_a_track_has_its_readings_below_on_the_same_axis() -> None:
    t = [float(index) for index in range(100)]
    lane = svg.Lane("CPU clock", "GHz", t, [2.4] * 50 + [1.8] * 50)
    steps = [svg.Step(0, 50, 2.0, 1.9, 2.1), svg.Step(50, 100, 3.0, 2.9, 3.1)]
    given = svg.Track([2.0] * 50 + [3.0] * 50, t, "s", "ms", "measured", 2.5, steps=steps, lanes=[lane],
                      shades=[(50.0, 70.0, "throttled")], flag=(50.0, "slower from 50 s on"))  # fmt: skip
    root = parse(svg.track(given, "t", wide=True))
    flag = next(item for item in root.iter("line") if item.get("class") == "flag")
    (reading,) = root.iter("polyline")
    assert reading.get("points", "").count(",") == 100
    corner = reading.get("points", "").split()[50]
    assert math.isclose(float(corner.partition(",")[0]), float(flag.get("x1", "")), abs_tol=0.1)
    for words in ("CPU clock 1.8 to 2.4 GHz", "slower from 50 s on"):
        assert words in root.get("aria-label", "")
    shade = next(item for item in root.iter("rect") if item.get("class") == "alarm")
    assert shade[0].text == "throttled"


def test_readings_from_beside_the_samples_stay_inside_the_plot() -> None:
    lane = svg.Lane("CPU clock", "GHz", [0.0, 10.0, 20.0], [1.0, 2.0, 4.0])
    given = svg.Track([2.0, 2.0], [12.0, 15.0], "s", "ms", "measured", 2.0, lanes=[lane])
    text = svg.track(given, "t", wide=True)
    (reading,) = parse(text).iter("polyline")
    x = [float(point.partition(",")[0]) for point in reading.get("points", "").split()]
    assert (min(x), max(x)) == (svg.LEFT, svg.WIDE - svg.RIGHT)
    assert "CPU clock: 2.4 .. 3 GHz" in text


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True), st.floats(0, 90), st.floats(1, 10))
def test_what_is_cut_lies_between_the_readings_around_it(t: list[float], low: float, span: float) -> None:
    values = sorted(t)  # Of a line through the origin every point is known.
    at, cut = within(values, values, low, low + span)
    assert at == sorted(at)
    assert low <= at[0] <= at[-1] <= low + span
    one_side = values[-1] < low or values[0] > low + span
    assert one_side or all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(at, cut, strict=True))


@given(st.lists(positive, min_size=2, max_size=40))
def test_a_curve_through_few_points_has_them_all(values: list[float]) -> None:
    root = parse(svg.over_time(range(len(values)), values, [], "measured", "mW", "t"))
    (line,) = root.iter("polyline")
    assert line.get("points", "").count(",") == len(values)


def test_a_curve_through_many_points_keeps_its_peak() -> None:
    values = [1.0] * 20_000
    values[7_777] = 9.0
    text = svg.over_time([index / 100 for index in range(20_000)], values, [], "measured", "mW", "t")
    assert len(text) < 40_000
    levels = re.findall(r"[\d.]+,([\d.]+)", text.partition("points=")[2])
    assert len(set(levels)) == 2


@given(st.floats(1, 1e9), st.floats(1, 1e9))
def test_a_tank_is_as_full_as_it_says(needed: float, limit: float) -> None:
    tank = svg.Tank("RAM", needed, limit, (("a", needed / 2), ("b", needed / 2)), "planned", "x %", "told")
    root = parse(svg.tanks([tank], "Fit"))
    parts = [item for item in root.iter("rect") if "part" in item.get("class", "")]
    assert len(parts) == 2
    excess = [item for item in root.iter("rect") if item.get("class") == "excess"]
    assert bool(excess) == (needed > limit)
    assert all(float(item.get("x", "")) + float(item.get("width", "")) <= svg.WIDTH + 2 for item in root.iter("rect"))


def test_a_plane_joins_its_front_only() -> None:
    spots = [svg.Spot(1, 90, "a", "measured", True), svg.Spot(2, 95, "b", "measured", True),
             svg.Spot(3, 92, "c", "measured", False)]  # fmt: skip
    root = parse(svg.plane(spots, "t", "KiB", "%", False, "three"))
    (edge,) = (item for item in root.iter("path") if item.get("class") == "edge")
    assert len(re.findall("H", edge.get("d", ""))) == 1
    kinds = [item.get("class", "").rpartition(" ")[2] for item in root.iter("circle")]
    assert sorted(kinds) == ["behind", "front", "front"]


def test_costs_that_differ_by_factors_are_as_far_apart_as_these() -> None:
    spots = [svg.Spot(cost, 90 + place, str(cost), "measured", True) for place, cost in enumerate((2.0, 20.0, 200.0))]
    text = svg.plane(spots, "t", "us", "%", False, "three")
    x = sorted(float(item.get("cx", "")) for item in parse(text).iter("circle"))
    assert math.isclose(x[1] - x[0], x[2] - x[1], abs_tol=0.2)
    assert "us, logarithmic" in text
    assert "logarithmic" not in svg.plane(spots[:1], "t", "us", "%", False, "one")


@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e9), st.integers(2, 9))
def test_ticks_of_factors_are_few_and_inside(low: float, factor: float, most: int) -> None:
    found = svg.LogAxis(low, low * factor, 0, 100).ticks(most)
    assert len(found) <= most + 1
    assert all(low <= tick <= low * factor for tick in found)


def test_a_bar_of_what_there_is_lies_behind_and_a_far_whisker_ends_in_an_arrow() -> None:
    full = parse(svg.rows([svg.Item("RAM", 25.0, "25 %", "measured")], "t", "percent", True, 100.0))
    tank, bar = (float(box.get("width", "")) for box in full.iter("rect"))
    assert math.isclose(bar, tank / 4, abs_tol=0.2)
    near, far = (svg.rows([svg.Item("a", 10.0, "x", "measured", 9.0, high)], "t", "ns", True) for high in (12.0, 900.0))
    assert ("l3 3l-3 3" in near, "l3 3l-3 3" in far) == (False, True)


def test_labels_of_a_plane_do_not_lie_on_each_other() -> None:
    spots = [svg.Spot(10, 90 + index / 1000, f"run number {index}", "measured", False) for index in range(5)]
    root = parse(svg.plane([*spots, svg.Spot(20, 95, "far", "measured", True)], "t", "KiB", "%", False, "six"))
    spans = []
    for item in root.iter("text"):
        if str(item.text).startswith("run "):
            at, wide = float(item.get("x", "")), 5.5 * len(str(item.text))
            left = at - wide if item.get("text-anchor") == "end" else at
            spans.append((left, left + wide, float(item.get("y", ""))))
    assert len(spans) == 5
    for one, other in itertools.combinations(spans, 2):
        assert one[1] < other[0] or other[1] < one[0] or abs(one[2] - other[2]) > 9


def test_in_a_crowd_the_front_alone_is_named() -> None:
    crowd = [svg.Spot(10 + index / 50, 90, f"one of many {index}", "measured", False) for index in range(60)]
    text = svg.plane([*crowd, svg.Spot(10, 90.1, "the best", "measured", True)], "t", "KiB", "%", False, "many")
    named = [item.text for item in parse(text).iter("text") if "one of many" in str(item.text)]
    assert ">the best</text>" in text
    assert 0 < len(named) < 20


def test_rows_fit_in_both_widths() -> None:
    items = [svg.Item(f"{index} CONV_2D", 1e6 / (index + 1), "x", "measured", 0.9e6, 1.2e6) for index in range(15)]
    for wide, width in ((False, svg.WIDTH), (True, svg.WIDE)):
        root = parse(svg.rows(items, "t", "ns", wide))
        ends = [float(box.get("x", "")) + float(box.get("width", "")) for box in root.iter("rect")]
        assert len(ends) == 15
        assert max(ends) <= width - 100


@given(st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from(("measured", "emulated"))), min_size=1, max_size=6))
def test_bars_start_at_zero_and_fit(rows: list[tuple[float, str]]) -> None:
    items = [svg.Item("a", value, "x", how) for value, how in rows]
    found = list(parse(svg.bars(items, "t", "ms")).iter("rect"))
    assert len(found) == len(items)
    assert all(float(box.get("width", "")) <= svg.WIDTH - 100 for box in found)


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50))
def test_dots_stay_inside(value: float, below: float, above: float) -> None:
    item = svg.Item("a", value, "x", "measured", value - below, value + above)
    root = parse(svg.dots([item], "t", "points", zero="no loss"))
    (dot,) = root.iter("circle")
    assert 0 <= float(dot.get("cx", "")) <= svg.WIDTH


def test_line_shades_its_windows() -> None:
    root = parse(svg.over_time([0, 1, 2, 3], [1, 5, 5, 1], [(0.5, 2.5)], "measured", "mW", "t"))
    (shade,) = root.iter("rect")
    width = (svg.WIDTH - svg.RIGHT - svg.LEFT) * 2 / 3
    assert math.isclose(float(shade.get("width", "")), width, abs_tol=0.1)


def test_words_are_escaped() -> None:
    item = svg.Item("<script>", 1, '"&', "measured")
    for text in (svg.bars([item], "<b>", "ms"), svg.dots([item], "<b>", "<i>", "<u>")):
        assert parse(text)[0].text == "<b>"
        assert "<script" not in text
