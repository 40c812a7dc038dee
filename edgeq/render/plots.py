"""Which plots a section of the HTML report has, and the figures' captions around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from edgeq.render import svg
from edgeq.render.words import amount, figure_text, interval_text, tag
from edgeq.report import EMULATED, Figure, Report, Section
from edgeq.run import HOW
from edgeq.stats import histogram_bins, summarize
from edgeq.units import format_seconds

UNITS = ((1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s"))


def tag_html(how: str, words: str = "") -> str:
    """The visible label that says how a figure was obtained."""
    return f'<span class="tag {how}">{escape(words or how)}</span>'


def of_section(section: Section) -> Iterator[str]:
    """Every plot for which the run has data."""
    yield from _latency(section)
    if section.stages:
        items = [_item(figure) for figure in section.stages]
        yield _figure("From cold to steady", section.how, svg.bars(items, "Latency from cold to steady", "ns"))
    if section.memory:
        items = [_item(figure) for figure in section.memory]
        yield _figure("Memory", section.memory[0].how, svg.bars(items, "Memory of the runtime's process", "bytes"))
    yield from _accuracy(section)
    yield from _power(section)


def across(report: Report) -> Iterator[str]:
    """p50 of the runs on one axis, with intervals; emulated and measured latency never share one."""
    for how in HOW:
        chosen = [
            (section.label, figure)
            for section in report.sections
            if (figure := section.figure("p50")) and figure.how == how
        ]
        if len(chosen) < 2:
            continue
        factor, unit = _unit([figure.value for _, figure in chosen])
        items = [
            svg.Item(label, f.value / factor, f"{format_seconds(f.value / 1e9)}, {how}", how, *_bounds(f, factor))
            for label, f in chosen
        ]
        plot = svg.dots(items, f"Median latency of the {how} runs", unit, zero="0")
        yield _figure("Median latency (p50)", how, plot, "with 95 % intervals")


def _latency(section: Section) -> Iterator[str]:
    invoke, warmup = section.run.one("invoke"), section.run.one("warmup")
    if invoke is None or not section.latency:
        return
    found = summarize(invoke.values)
    factor, unit = _unit([found.p50])
    values = [value / factor for value in invoke.values]
    # A single sample ten times the median would squeeze all others into one bin.
    top = min(found.max, max(found.p99, found.p50 + 12 * (found.mad or found.std))) / factor
    shown = [value for value in values if value <= top]
    marks = [(name, getattr(found, name) / factor) for name in ("p50", "p90", "p99")]
    window = (found.min / factor, top)
    plot = svg.histogram(values, histogram_bins(shown, 60), marks, invoke.how, unit, "Latency distribution", window)
    beyond = f"; {found.n - len(shown)} slower than {top:.3g} {unit} not drawn" if len(shown) < found.n else ""
    yield _figure("Latency distribution", invoke.how, plot, f"{found.n} steady samples{beyond}")
    before = [value / factor for value in warmup.values] if warmup else []
    plot = svg.trace(
        before, values, found.p50 / factor, section.outliers, invoke.how, unit, "Latency, sample by sample"
    )
    count = len(section.outliers)
    ringed = f"dashed line: p50; {count} outlier{'' if count == 1 else 's'} ringed" if count else "dashed line: p50"
    yield _figure("Latency, sample by sample", invoke.how, plot, ringed)


def _accuracy(section: Section) -> Iterator[str]:
    found = section.accuracy
    if found is None:
        return
    names = ((found.float_accuracy, "Float"), (found.accuracy, section.mode))
    items = [svg.Item(name, figure.value, figure_text(figure), figure.how) for figure, name in names if figure]
    aside, how = f"{found.accuracy.at}, {found.samples} samples", found.accuracy.how
    named = found.title[:1].upper() + found.title[1:]
    title = f"{named}, float and quantized" if found.float_accuracy else named
    yield _figure(title, how, svg.bars(items, named, "percent" if found.fraction else found.accuracy.unit), aside)
    drop = found.drop
    if drop is None:
        return
    factor, unit = (100, "percentage points lost") if found.fraction else (1, f"{drop.unit} lost".strip())
    low, high = (drop.low or 0) * factor, (drop.high or 0) * factor
    text = f"{figure_text(drop)} ({interval_text(drop)})"
    item = svg.Item("", drop.value * factor, text, drop.how, low, high)
    plot = svg.dots([item], f"{named} lost to quantization", unit, zero="no loss")
    yield _figure(f"{named} lost", drop.how, plot, f"{found.confidence * 100:g} % interval: {found.method}; {drop.at}")


def _power(section: Section) -> Iterator[str]:
    power, gate = section.run.one("power"), section.run.one("gate")
    if power is None or len(power.values) < 2 or len(power.t_s) != len(power.values):
        return
    edges = gate.values if gate else ()
    windows = list(zip(edges[::2], edges[1::2], strict=False))
    plot = svg.line(power.t_s, power.values, windows, power.how, "mW", "Power over time")
    aside = power.source + ("; the gate, when inferences ran, is shaded" if windows else "")
    yield _figure("Power", power.how, plot, aside)


def _figure(title: str, how: str, plot: str, aside: str = "") -> str:
    if how == "emulated":
        aside = f"{aside}. {EMULATED}" if aside else EMULATED
    mark = f" {tag_html(how)}" if how else ""
    more = f'<span class="aside">{escape(aside)}</span>' if aside else ""
    return f"<figure><figcaption>{escape(title)}{mark}{more}</figcaption>{plot}</figure>"


def _item(figure: Figure) -> svg.Item:
    return svg.Item(figure.label, figure.value, f"{amount(figure.value, figure.unit)}, {tag(figure)}", figure.how)


def _bounds(figure: Figure, factor: float) -> tuple[float | None, float | None]:
    if figure.low is None or figure.high is None:
        return None, None
    return figure.low / factor, figure.high / factor


def _unit(values_ns: Sequence[float]) -> tuple[float, str]:
    """The unit in which the greatest of the values has one to three digits before the point."""
    return next(((factor, unit) for factor, unit in reversed(UNITS) if max(values_ns) >= factor), UNITS[0])
