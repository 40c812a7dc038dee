"""Which plots a section of the HTML report has: each a figure with its caption, its picture and the same as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from edgeq.render import svg
from edgeq.render.tables import alternative, tag_html
from edgeq.render.words import amount, figure_text, interval_text, op_name, ops_words, spent, tag
from edgeq.report import EMULATED, Figure, Section
from edgeq.report.section import share_words
from edgeq.run import Series
from edgeq.stats import histogram_bins, summarize
from edgeq.units import format_bytes, format_seconds, three_digits

UNITS = ((1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s"))
MOST_OPS = 14
BUCKETS = 20
SAME_BINS = 41
"""Samples that are all alike are one narrow bar in the middle."""
LANES = (
    ("cpu_hz", "CPU clock", "GHz", 1e-9, 0.1),
    ("temperature", "Temperature", "°C", 1.0, 4.0),
    ("other_load", "Other programs", "cores", 1.0, 0.5),
    ("supply", "Supply", "V", 1.0, 0.1),
)
"""Series, name, unit, factor, and the least span of the axis: what moves less than that is no movement."""


def framed(title: str, how: str, picture: str, aside: str = "", table: str = "", kind: str = "") -> str:
    """One plot with its caption; what is emulated says so below its title."""
    if how == "emulated":
        aside = f"{aside}. {EMULATED}" if aside else EMULATED
    mark = f" {tag_html(how)}" if how else ""
    more = f'<span class="aside">{escape(aside)}</span>' if aside else ""
    chosen = f' class="{kind}"' if kind else ""
    return f"<figure{chosen}><figcaption>{escape(title)}{mark}{more}</figcaption>{picture}{table}</figure>"


def fit(section: Section) -> Iterator[str]:
    """What the release takes of the memory that there is."""
    if not section.needs:
        return
    items = [
        svg.Tank(
            need.label,
            need.needed_bytes,
            need.limit_bytes,
            need.parts,
            need.how,
            share_words(need.share),
            f"{format_bytes(need.needed_bytes)} of {format_bytes(need.limit_bytes)}, {need.of} ({need.how})",
        )
        for need in section.needs
    ]
    rows = [
        [
            escape(need.label),
            format_bytes(need.needed_bytes),
            format_bytes(need.limit_bytes),
            escape("; ".join(f"{name} {format_bytes(size)}" for name, size in need.parts) or need.source),
            escape(need.how),
        ]
        for need in section.needs
    ]
    aside = "; ".join(dict.fromkeys(need.source for need in section.needs if need.source))
    words = alternative("Memory taken", ["Memory", "Taken", "There is", "Of this", "Obtained"], rows)
    hows = {need.how for need in section.needs}
    how = hows.pop() if len(hows) == 1 else ""
    title = " and ".join(need.label if place == 0 else need.label.lower() for place, need in enumerate(section.needs))
    yield framed(title, how, svg.tanks(items, "Fit"), aside, words)


def memory(section: Section) -> Iterator[str]:
    """What the device told of its memory."""
    if section.memory:
        drawn = [figure for figure in section.memory if not figure.name.endswith(("_before", "_after", "_low"))]
        plot = svg.bars(_items([each for each in drawn if each.name != "pss_peak"]), "Memory of the runtime", "bytes")
        rows = [[escape(each.label), figure_text(each), escape(each.source) or "-"] for each in section.memory]
        table = alternative("Memory", ["Figure", "Value", "From"], rows)
        yield framed("Memory", section.memory[0].how, plot, "", table)


def spread(section: Section) -> Iterator[str]:
    """How the samples are spread."""
    invoke = section.run.one("invoke")
    if invoke and section.latency:
        yield _distribution(section, invoke)


def course(section: Section) -> Iterator[str]:
    """What happened when, and how long it takes to get there from cold."""
    invoke = section.run.one("invoke")
    if invoke and section.latency:
        yield _track(section, invoke)
    if section.stages:
        title, items = "From cold to steady", _items(section.stages)
        plots = svg.rows(items, title, "ns", wide=True) + svg.rows(items, title, "ns")
        yield framed(title, section.how, plots, kind="across")


def _distribution(section: Section, invoke: Series) -> str:
    found = summarize(invoke.values)
    # A single sample ten times the median would squeeze all others into one bin.
    top_ns = min(found.max, max(found.p99, found.p50 + 12 * (found.mad or found.std)))
    factor, unit = scale([top_ns])
    values, top = [value / factor for value in invoke.values], top_ns / factor
    shown = [value for value in values if value <= top]
    quantiles = [figure for figure in section.latency if figure.name in ("p50", "p90", "p95", "p99")]
    marks = [
        svg.Item(each.name, each.value / factor, f"{each.name} {figure_text(each)}", each.how) for each in quantiles
    ]
    window = (found.min / factor, top)
    title = "Latency distribution"
    bins = histogram_bins(shown, 60) if max(shown) > min(shown) else SAME_BINS
    plot = svg.distribution(values, bins, marks, invoke.how, unit, title, window)
    beyond = f"; {found.n - len(shown)} slower than {amount(top_ns, 'ns')} not drawn" if len(shown) < found.n else ""
    counted = f"{found.n:,} steady sample{'s' * (found.n != 1)}"
    aside = f"{counted}: counts, and below the share that took at most so long{beyond}"
    return framed(title, invoke.how, plot, aside)


def _track(section: Section, invoke: Series) -> str:
    warmup = section.run.one("warmup")
    found = summarize(invoke.values)
    ceiling_ns = _ceiling(section, invoke)
    factor, unit = scale([ceiling_ns])
    timed = len(invoke.t_s) == len(invoke.values)
    steps = [
        svg.Step(each.start_s, each.end_s, each.p50 / factor, each.low / factor, each.high / factor)
        for each in section.intervals
    ]
    given = svg.Track(
        values=[value / factor for value in invoke.values],
        t=invoke.t_s if timed else range(len(invoke.values)),
        axis="s since the bench began" if timed else "sample",
        unit=unit,
        how=invoke.how,
        median=found.p50 / factor,
        ceiling=ceiling_ns / factor,
        outliers=section.outliers if not steps and _few(section, invoke) else (),
        warmup=[value / factor for value in warmup.values] if warmup and not timed else (),
        steps=steps,
        lanes=tuple(_lanes(section)) if timed and invoke.how == "measured" else (),
        shades=tuple(_throttled(section)) if timed else (),
        flag=(section.onset.t_s, f"slower from {section.onset.t_s:.0f} s on") if section.onset else None,
    )
    title = "Latency, sustained" if steps else "Latency over time" if timed else "Latency, sample by sample"
    plots = svg.track(given, title, wide=True) + svg.track(given, title)
    table = alternative(title, ["From", "To", "Samples", "p50", "Least", "Greatest"], _buckets(invoke))
    return framed(title, invoke.how, plots, _track_words(section, given), table, "across")


def _ceiling(section: Section, invoke: Series) -> float:
    """The greatest value that is drawn to scale: a few that are many times the others would flatten all of these."""
    warmup = section.run.one("warmup")
    greatest = max(*invoke.values, *(warmup.values if warmup and not invoke.t_s else ()), 0.0)
    usual = summarize(invoke.values).p99 * 1.5
    return usual if greatest > 2 * usual > 0 else greatest


def _few(section: Section, invoke: Series) -> bool:
    """What many samples are is no exception: then rings would hide the picture."""
    return len(section.outliers) <= 0.1 * len(invoke.values)


def _track_words(section: Section, given: svg.Track) -> str:
    count, many = len(section.outliers), len(given.values) + len(given.warmup) > svg.MOST_POINTS
    if given.steps:
        first = section.intervals[0]
        words = [f"line: p50 of each {first.end_s - first.start_s:.3g} s; band: its 95 % interval"]
    else:
        ringed = " ringed" if given.outliers and not many else ""
        words = ["dashed line: p50", *([f"{count} outlier{'' if count == 1 else 's'}{ringed}"] if count else [])]
    if many:
        words.append(
            f"{len(given.values):,} samples: pale from the least to the greatest of each column, dark its middle 80 %"
        )
    above = sum(value > given.ceiling for value in [*given.warmup, *given.values])
    words += [f"{above} above {three_digits(given.ceiling)} {given.unit} as triangles at the top"] if above else []
    words += ["shaded: throttled or under voltage"] if given.shades else []
    return "; ".join(words)


def _lanes(section: Section) -> Iterator[svg.Lane]:
    """Of a device that is there: the sensors of an emulator are inventions."""
    for name, label, unit, factor, span in LANES:
        series = section.run.one(name)
        if series and len(series.t_s) == len(series.values) > 1:
            yield svg.Lane(label, unit, series.t_s, [value * factor for value in series.values], span)


def _throttled(section: Section) -> Iterator[tuple[float, float, str]]:
    """Times in which a bit said that the device is slowed down now: the lower four of `vcgencmd get_throttled`."""
    series = section.run.one("throttled")
    if series is None or len(series.t_s) != len(series.values):
        return
    start: float | None = None
    for when, value in zip(series.t_s, series.values, strict=True):
        if int(value) & 0xF and start is None:
            start = when
        elif not int(value) & 0xF and start is not None:
            yield start, when, "throttled or under voltage"
            start = None
    if start is not None:
        yield start, series.t_s[-1], "throttled or under voltage"


def _buckets(invoke: Series) -> Iterator[list[str]]:
    """p50, least and greatest of each twentieth of the samples."""
    timed = len(invoke.t_s) == len(invoke.values)
    for place in range(min(BUCKETS, len(invoke.values))):
        start = place * len(invoke.values) // min(BUCKETS, len(invoke.values))
        stop = (place + 1) * len(invoke.values) // min(BUCKETS, len(invoke.values))
        part = summarize(invoke.values[start:stop])
        ends = (f"{invoke.t_s[start]:.2f} s", f"{invoke.t_s[stop - 1]:.2f} s") if timed else (str(start), str(stop - 1))
        told = (format_seconds(value / 1e9) for value in (part.p50, part.min, part.max))
        yield [*ends, str(part.n), *told]


def ops(section: Section) -> Iterator[str]:
    """Where the time goes: the slowest ops, and everything else as what it is."""
    found = section.ops
    if found is None:
        return

    def told(value: float) -> str:
        return spent(value, found.unit, found.tick)

    def words(value: float, share: float) -> str:
        return told(value) if value < found.tick else f"{share * 100:.1f} %, {told(value)}"

    shown = found.slowest(MOST_OPS)
    items = [svg.Item(op_name(op), op.spent, words(op.spent, op.share), found.how, op.min, op.max) for op in shown]
    rest = sum(op.spent for op in found.ops) - sum(op.spent for op in shown)
    total = sum(op.spent for op in found.ops) or 1.0
    if len(found.ops) > len(shown):
        count = len(found.ops) - len(shown)
        items.append(svg.Item(f"{count} other ops", rest, words(rest, rest / total), found.how))
    if found.between > 0:
        items.append(svg.Item("between ops", found.between, told(found.between), found.how))
    rows = [
        [
            "-" if op.index is None else str(op.index),
            escape(op.op),
            escape(op.name) or "-",
            escape(op.kernel) or "-",
            told(op.spent),
            f"{op.share * 100:.1f} %",
            "-" if op.min is None or op.max is None else f"{told(op.min)} .. {told(op.max)}",
            "-" if op.macs is None else f"{op.macs:,.0f}",
        ]
        for op in found.ops
    ]
    average = "Middle" if found.middle else "Average"
    unit = "" if found.unit == "ns" else " (instructions)"
    head = ["Op", "Operator", "Name", "Kernel", f"{average}{unit}", "Share", f"Least .. greatest{unit}", "MACs"]
    title = "Where the time goes, by op" if found.unit == "ns" else "Where the instructions go, by op"
    aside = f"{ops_words(found)}; {found.source}" if found.source else ops_words(found)
    plot = svg.rows(items, title, found.unit, wide=True) + svg.rows(items, title, found.unit)
    yield framed(title, found.how, plot, aside, alternative(title, head, rows), "across")


def accuracy(section: Section) -> Iterator[str]:
    """Float and quantized, on the host and on the device itself, and the loss with its interval."""
    found = section.accuracy
    device = section.on_device[:1]
    named = found.title[:1].upper() + found.title[1:] if found else "Accuracy"
    chosen = [(figure, name) for figure, name in _judged(section) if figure.unit == "fraction"]
    if len(chosen) > 1:
        items = [
            svg.Item(
                name,
                figure.value * 100,
                f"{figure_text(figure)}, {tag(figure)}",
                figure.how,
                None if figure.low is None else figure.low * 100,
                None if figure.high is None else figure.high * 100,
            )
            for figure, name in chosen
        ]
        told = [f"{found.accuracy.at}, {found.samples} samples"] if found else []
        told += [f"on the device: {device[0].source}"] if device else []
        yield framed(named, "", svg.dots(items, named, "percent", least=0.5), "; ".join(told))
    if found and found.drop:
        factor, unit = (100, "percentage points lost") if found.fraction else (1, f"{found.drop.unit} lost".strip())
        yield _loss(found.drop, f"{named} lost", factor, unit, f"{found.confidence * 100:g} %", found.method)


def _judged(section: Section) -> Iterator[tuple[Figure, str]]:
    found = section.accuracy
    if found and found.float_accuracy:
        yield found.float_accuracy, "Float"
    if found:
        yield found.accuracy, section.mode
    yield from ((figure, f"{section.mode}, on the device") for figure in section.on_device[:1])


def _loss(drop: Figure, title: str, factor: float, unit: str, confidence: str, method: str) -> str:
    low, high = (drop.low or 0) * factor, (drop.high or 0) * factor
    text = f"{figure_text(drop)} ({interval_text(drop)})"
    item = svg.Item("", drop.value * factor, text, drop.how, low, high)
    plot = svg.dots([item], f"{title} to quantization", unit, zero="no loss")
    return framed(title, drop.how, plot, f"{confidence} interval: {method}; {drop.at}")


def power(section: Section) -> Iterator[str]:
    """Power over time, and what the energy's uncertainty is made of."""
    watched, gate = section.run.one("power"), section.run.one("gate")
    if watched and len(watched.values) > 1 and len(watched.t_s) == len(watched.values):
        edges = gate.values if gate else ()
        windows = list(zip(edges[::2], edges[1::2], strict=False))
        plot = svg.over_time(watched.t_s, watched.values, windows, watched.how, "mW", "Power over time")
        aside = watched.source + ("; the gate, when inferences ran, is shaded" if windows else "")
        yield framed("Power", watched.how, plot, aside)
    if section.budget:
        plot = svg.bars(_items(section.budget), "Parts of the uncertainty of the energy", "uJ")
        aside = "standard uncertainty of each part; the whole is their root of squares, doubled"
        yield framed("What makes the energy uncertain", section.budget[0].how, plot, aside)


def _items(figures: Sequence[Figure]) -> list[svg.Item]:
    """Bars; how each was obtained is said beside it, unless all were obtained alike, which the caption says."""
    alike = len({tag(figure) for figure in figures}) == 1
    return [
        svg.Item(each.label, each.value, amount(each.value, each.unit) + ("" if alike else f", {tag(each)}"), each.how)
        for each in figures
    ]


def scale(values_ns: Sequence[float]) -> tuple[float, str]:
    """The unit in which the greatest of the values has one to three digits before the point."""
    return next(((factor, unit) for factor, unit in reversed(UNITS) if max(values_ns) >= factor), UNITS[0])
