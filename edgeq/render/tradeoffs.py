"""Plots across runs and across the trials of a search: what is paid for what, with the front."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from edgeq.render import svg
from edgeq.render.plots import framed, scale
from edgeq.render.tables import alternative
from edgeq.render.words import figure_text
from edgeq.report import Figure, Report, Section
from edgeq.report.needs import Need
from edgeq.report.section import share_words
from edgeq.report.tradeoff import Plane, shortened
from edgeq.run import HOW
from edgeq.units import format_bytes, format_seconds

EXACT_DB = 80.0
"""Above that a model answers like the float one: such trials are drawn at the top."""
FACTORS = {"bytes": (1024.0, "KiB"), "uj": (1.0, "uJ"), "instructions": (1e3, "thousand instructions")}


def medians(report: Report) -> Iterator[str]:
    """p50 of the runs on one axis, with intervals; emulated and measured latency never share one. Where latency stands
    against accuracy already, that says it."""
    labels = shortened([section.label for section in report.sections])
    for how in HOW:
        if any((plane.name, plane.how) == ("p50", how) for plane in report.planes):
            continue
        chosen = [
            (label, figure)
            for label, section in zip(labels, report.sections, strict=True)
            if (figure := section.figure("p50")) and figure.how == how
        ]
        if len(chosen) < 2:
            continue
        factor, unit = scale([figure.value for _, figure in chosen])
        items = [
            svg.Item(label, f.value / factor, format_seconds(f.value / 1e9), how, *_bounds(f, factor))
            for label, f in chosen
        ]
        plot = svg.dots(items, f"Median latency of the {how} runs", unit, zero="0")
        yield framed("Median latency (p50)", how, plot, "with 95 % intervals")


def fits(report: Report) -> Iterator[str]:
    """What the runs take of the memory that their devices have; runs of one model on one device that take the same are
    one line."""
    labels = shortened([section.label for section in report.sections])
    found: dict[tuple[str, ...], list[tuple[str, Need]]] = {}
    for label, each in zip(labels, report.sections, strict=True):
        for need in each.needs:
            what = str(each.run.release.get("name")), str(each.run.device.get("address"))
            key = (need.label, *what, share_words(need.share))
            found.setdefault(key, []).append((label, need))
    if len({label for several in found.values() for label, _ in several}) < 2:
        return
    hows = {need.how for several in found.values() for _, need in several}
    items = []
    for (memory, *_), several in sorted(found.items(), key=lambda each: each[0][0] != "RAM"):
        need = max((need for _, need in several), key=lambda need: need.needed_bytes)
        who = several[0][0] if len(several) == 1 else f"{several[0][0].partition(' as ')[0]}, {len(several)} runs"
        items.append(svg.Item(f"{memory}, {who}", need.share * 100, _fit_words(need, len(hows) > 1), need.how))
    title = "Does it fit"
    plot = "".join(svg.rows(items, title, "percent of what there is", wide, 100.0) for wide in (True, False))
    yield framed(title, hows.pop() if len(hows) == 1 else "", plot, "a full bar is all that there is", kind="across")


def _fit_words(need: Need, mixed: bool) -> str:
    told = f"{share_words(need.share)}, {format_bytes(need.needed_bytes)} of {format_bytes(need.limit_bytes)}"
    return f"{told}, {need.how}" if mixed else told


def planes(report: Report) -> Iterator[str]:
    """Accuracy against each cost that the runs have."""
    for found in report.planes:
        yield _plane(found)


def _plane(found: Plane) -> str:
    first = found.points[0].cost
    factor, unit = FACTORS.get(first.unit) or scale([point.cost.value for point in found.points])
    share = found.points[0].gain.unit == "fraction"
    spots = [
        svg.Spot(
            point.cost.value / factor,
            point.gain.value * (100 if share else 1),
            point.label,
            found.how,
            point.front,
            f"{point.label}: {figure_text(point.cost)}, {figure_text(point.gain)}",
        )
        for point in found.points
    ]
    title = f"{found.gain.removeprefix('Quantized ').capitalize()} and {_small(found.title)}"
    title += f" of {found.of}" if found.of else ""
    words = "; ".join(f"{spot.told}{', on the front' if spot.front else ''}" for spot in spots)
    gain = "%" if share else found.points[0].gain.unit
    plot = svg.plane(spots, title, f"{_small(found.title)}, {unit}", gain, found.lower, words)
    rows = [
        [escape(point.label), figure_text(point.cost), figure_text(point.gain), "yes" if point.front else "no"]
        for point in found.points
    ]
    table = alternative(title, ["Run", found.title, found.gain, "On the front"], rows)
    aside = "filled, joined: no other run beats it in both"
    if {point.gain.at for point in found.points} != {""}:
        aside += f"; {found.points[0].gain.at}"
    return framed(title, found.how, plot, aside, table)


def trials(section: Section) -> Iterator[str]:
    """What the search behind a bundle tried."""
    if len(section.trials) < 2:
        return
    spots = [
        svg.Spot(
            trial.size_bytes / 1024,
            min(trial.sqnr_db, EXACT_DB),
            trial.recipe if trial.chosen else "",
            "measured",
            trial.front,
            f"{trial.recipe}: {format_bytes(trial.size_bytes)}, {trial.sqnr_db:.1f} dB, {trial.loss:.2f} points lost",
            trial.chosen,
        )
        for trial in section.trials
    ]
    title = f"The search behind the recipe: {len(section.trials)} trials"
    words = "; ".join(f"{spot.told}" for spot in spots if spot.front or spot.chosen)
    plot = svg.plane(spots, title, "size of the model, KiB", "dB", False, words)
    rows = [
        [
            escape(trial.recipe) + (" (built)" if trial.chosen else ""),
            format_bytes(trial.size_bytes),
            f"{trial.loss:.2f}",
            f"{trial.sqnr_db:.1f} dB",
            "yes" if trial.front else "no",
        ]
        for trial in sorted(section.trials, key=lambda each: (each.size_bytes, each.loss))
    ]
    table = alternative(title, ["Recipe", "Size", "Points lost", "Signal to noise", "On the front"], rows)
    aside = (
        "signal over error in the outputs, on held-back calibration samples, on the host, at most "
        f"{EXACT_DB:g} dB drawn; filled: no other trial is as small, light and quiet; large: the one that was built"
    )
    yield framed(title, "", plot, aside, table)


def _small(title: str) -> str:
    return title[:1].lower() + title[1:]


def _bounds(figure: Figure, factor: float) -> tuple[float | None, float | None]:
    if figure.low is None or figure.high is None:
        return None, None
    return figure.low / factor, figure.high / factor
