"""What one pays for what: accuracy against latency, size and energy, and what no other choice beats in everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeq.report.figures import Figure
from edgeq.run import HOW
from edgeq.search.front import pareto

if TYPE_CHECKING:
    from edgeq.report.section import Section

COSTS = (
    ("p50", "Median latency (p50)"),
    ("instructions", "Instructions per inference"),
    ("model_bytes", "Size of the model"),
    ("energy", "Energy per inference"),
)


@dataclass(frozen=True)
class Point:
    """One choice: what it costs, what it gives, and whether another one beats it in both (then `front` is false)."""

    label: str
    cost: Figure
    gain: Figure
    front: bool


@dataclass(frozen=True)
class Plane:
    """Choices that may be compared, by one cost and by accuracy. `how` is that of the cost; `lower` says that less of
    the gain is better, as it is of errors."""

    name: str
    title: str
    gain: str
    how: str
    lower: bool
    points: tuple[Point, ...]


def planes(sections: Sequence[Section]) -> Iterator[Plane]:
    """One for each cost that at least two different choices have; what was obtained differently never shares one."""
    judged = [section for section in sections if section.accuracy]
    if len({section.accuracy.title for section in judged if section.accuracy}) != 1:
        return
    first = judged[0].accuracy
    assert first is not None
    for name, title in COSTS:
        for how in HOW:
            chosen = [(each, cost) for each in judged if (cost := each.figure(name)) and cost.how == how]
            pairs = {(cost.value, each.accuracy.accuracy.value) for each, cost in chosen if each.accuracy}
            if len(pairs) > 1:
                lower = first.better == "lower"
                yield Plane(name, title, first.accuracy.label, how, lower, tuple(_points(chosen, lower)))


def _points(chosen: Sequence[tuple[Section, Figure]], lower: bool) -> Iterator[Point]:
    """Those that cost and give the same are one choice."""
    named: dict[tuple[float, float], list[str]] = {}
    first: dict[tuple[float, float], tuple[Figure, Figure]] = {}
    for section, cost in chosen:
        assert section.accuracy is not None
        gain = section.accuracy.accuracy
        named.setdefault((cost.value, gain.value), []).append(section.label)
        first.setdefault((cost.value, gain.value), (cost, gain))
    best = set(pareto(list(named), lambda pair: (pair[0], pair[1] if lower else -pair[1])))
    for pair, labels in named.items():
        yield Point(", ".join(labels), *first[pair], pair in best)


def fronts(sections: Sequence[Section]) -> dict[str, bool]:
    """Whether a run is on the front of all it has: accuracy, latency, size and energy, by the run's label.

    Runs are held against those that have the same figures, each obtained alike.
    """
    groups: dict[tuple[str, ...], list[Section]] = {}
    for section in sections:
        if section.accuracy:
            costs = ((name, section.figure(name)) for name, _ in COSTS)
            has = tuple(f"{name} {cost.how}" for name, cost in costs if cost)
            groups.setdefault((section.accuracy.title, *has), []).append(section)
    found = {}
    for group in groups.values():
        if len(group) > 1:
            best = pareto(group, _costs)
            found.update({section.label: any(section is other for other in best) for section in group})
    return found


def _costs(section: Section) -> tuple[float, ...]:
    assert section.accuracy is not None
    gain = section.accuracy.accuracy.value
    costs = (figure.value for name, _ in COSTS if (figure := section.figure(name)))
    return (gain if section.accuracy.better == "lower" else -gain, *costs)
