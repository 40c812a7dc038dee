"""What one pays for what: accuracy against latency, size and energy, and what no other choice beats in everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeq.report.figures import Figure, mapping
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
    """Choices that may be compared, by one cost and by accuracy. `of` names the model where a report has several; `how`
    is that of the cost; `lower` says that less of the gain is better, as it is of errors."""

    name: str
    title: str
    of: str
    gain: str
    how: str
    lower: bool
    points: tuple[Point, ...]


def planes(sections: Sequence[Section]) -> Iterator[Plane]:
    """One for each cost in which choices differ, as they do in accuracy; what was obtained differently never shares
    one."""
    groups = _groups(sections)
    for group in groups:
        first, name = group[0].accuracy, str(group[0].run.release.get("name") or "")
        assert first is not None
        for cost_name, title in COSTS:
            for how in HOW:
                chosen = [(each, cost) for each in group if (cost := each.figure(cost_name)) and cost.how == how]
                pairs = {(cost.value, each.accuracy.accuracy.value) for each, cost in chosen if each.accuracy}
                if min(len({cost for cost, _ in pairs}), len({gain for _, gain in pairs})) > 1:
                    lower, of = first.better == "lower", name if len(groups) > 1 else ""
                    points = tuple(_points(chosen, lower))
                    yield Plane(cost_name, title, of, first.accuracy.label, how, lower, points)


def _groups(sections: Sequence[Section]) -> list[list[Section]]:
    """Runs of the same model that were evaluated by the same metric on the same data."""
    groups: dict[tuple[str, ...], list[Section]] = {}
    for section in sections:
        if section.accuracy:
            data = mapping(section.run.release.get("evaluation")).get("data_sha256")
            key = (str(section.run.release.get("name")), section.accuracy.title, str(data))
            groups.setdefault(key, []).append(section)
    return list(groups.values())


def shortened(labels: Sequence[str]) -> list[str]:
    """Labels without the words that all of them begin with: what is left tells them apart."""
    words = [label.split(" ") for label in labels]
    same = 0
    while len({tuple(each[: same + 1]) for each in words}) == 1 and all(len(each) > same + 1 for each in words):
        same += 1
    return [" ".join(each[same:]) for each in words]


def _points(chosen: Sequence[tuple[Section, Figure]], lower: bool) -> Iterator[Point]:
    """Those that cost and give the same are one choice."""
    named: dict[tuple[float, float], list[str]] = {}
    first: dict[tuple[float, float], tuple[Figure, Figure]] = {}
    labels = shortened([section.label for section, _ in chosen])
    for (section, cost), label in zip(chosen, labels, strict=True):
        assert section.accuracy is not None
        gain = section.accuracy.accuracy
        named.setdefault((cost.value, gain.value), []).append(label)
        first.setdefault((cost.value, gain.value), (cost, gain))
    best = set(pareto(list(named), lambda pair: (pair[0], pair[1] if lower else -pair[1])))
    for pair, labels in named.items():
        yield Point(", ".join(labels), *first[pair], pair in best)


def fronts(sections: Sequence[Section]) -> dict[str, bool]:
    """Whether a run is on the front of all it has: accuracy, latency, size and energy, by the run's label.

    Runs are held against those that have the same figures, each obtained alike.
    """
    found: dict[str, bool] = {}
    for group in _groups(sections):
        alike: dict[tuple[str, ...], list[Section]] = {}
        for section in group:
            costs = ((name, section.figure(name)) for name, _ in COSTS)
            alike.setdefault(tuple(f"{name} {cost.how}" for name, cost in costs if cost), []).append(section)
        for several in alike.values():
            best = pareto(several, _costs) if len(several) > 1 else []
            found.update({each.label: any(each is other for other in best) for each in several if best})
    return found


def _costs(section: Section) -> tuple[float, ...]:
    assert section.accuracy is not None
    gain = section.accuracy.accuracy.value
    costs = (figure.value for name, _ in COSTS if (figure := section.figure(name)))
    return (gain if section.accuracy.better == "lower" else -gain, *costs)
