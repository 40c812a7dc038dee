"""The verb `report`: runs become plain data that a renderer tells.

It sees runs, and of the bundles that were benched what lies on this machine. Statistics are derived here, from raw
series; every figure carries how it was obtained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import edgeq
from edgeq.errors import UsageError
from edgeq.report.accuracy import MATCH, Accuracy, loss_words, points
from edgeq.report.evidence import evidence
from edgeq.report.figures import Figure
from edgeq.report.section import BAD, EMULATED, SHORT_MODES, Section, section, sentence
from edgeq.report.tradeoff import Plane, fronts, planes
from edgeq.results import run_file
from edgeq.run import VERDICTS, Run, read_run

__all__ = ["EMULATED", "Accuracy", "Figure", "Report", "Row", "Section", "points", "report", "section"]

MOST_NAMED = 2
"""So many runs are spoken of by name in the headlines."""
COMPARED = (
    *("p50", "p90", "p99", "throughput", "init", "first_inference", "end_to_end", "instructions", "rss_peak", "ram"),
    *("model_bytes", "power", "energy", "float_accuracy", "accuracy", "drop", "device_accuracy"),
)


@dataclass(frozen=True)
class Row:
    """One line of the comparison: the same figure of every run, None where a run lacks it."""

    label: str
    cells: tuple[Figure | None, ...]


@dataclass(frozen=True)
class Report:
    """A set of runs, told. `verdict` is the worst of its runs; `headlines` are one or more sentences; `front` says of
    runs that were held against others whether none of them beats it in everything."""

    title: str
    edgeq: str
    verdict: str
    headlines: tuple[str, ...]
    sections: tuple[Section, ...]
    comparison: tuple[Row, ...]
    remarks: tuple[str, ...]
    planes: tuple[Plane, ...]
    front: dict[str, bool]


def report(paths: Sequence[Path], bundles: Sequence[Path] = ()) -> Report:
    """Read runs (files, or folders that a bench has written to the end) and tell them, in the order given.

    `bundles` are folders of bundles; those that the runs name by digest add what a run does not hold.
    """
    if not paths:
        raise UsageError("There is no run to report on.", "Name run.json files; 'edgeq bench' writes them.")
    runs = [read_run(run_file(path)) for path in paths]
    labels = list(_labels(runs))
    sections = tuple(section(run, label, evidence(run, bundles)) for run, label in zip(runs, labels, strict=True))
    names, several = list(dict.fromkeys(str(run.release.get("name") or "model") for run in runs)), len(runs) > 1
    return Report(
        title=", ".join(names) + _where(runs),
        edgeq=edgeq.__version__,
        verdict=max((run.verdict for run in runs), key=VERDICTS.index),
        headlines=tuple(_headlines(sections)),
        sections=sections,
        comparison=tuple(_comparison(sections)) if several else (),
        remarks=tuple(_remarks(sections)) if several else (),
        planes=tuple(planes(sections)),
        front=fronts(sections),
    )


def _comparison(sections: Sequence[Section]) -> Iterator[Row]:
    for name in COMPARED:
        cells = tuple(section.figure(name) for section in sections)
        label = next((cell.label for cell in cells if cell), "")
        if label:
            yield Row(label, cells)


def _remarks(sections: Sequence[Section]) -> Iterator[str]:
    """Why a comparison of these runs could mislead."""
    runs = [section.run for section in sections]
    if len({section.how for section in sections}) > 1:
        yield f"Do not compare emulated with measured latency. {EMULATED}."
    if len({run.release.get("name") for run in runs}) > 1:
        yield "The runs are of different models."
    if len({run.plan.threads for run in runs}) > 1:
        counts = ", ".join(str(run.plan.threads) for run in runs)
        yield f"The runs used different numbers of threads: {counts}."
    if len({run.plan.delegate for run in runs}) > 1:
        used = ", ".join(run.plan.delegate or "the bundle's" for run in runs)
        yield f"The runs used different delegates: {used}."


def _headlines(sections: Sequence[Section]) -> Iterator[str]:
    if len(sections) == 1:
        yield sections[0].headline
    else:
        yield sentence("; ".join([_golden_of_all(sections), *_losses(sections)]))
    yield from _doubts(sections)
    yield from _wrong(sections)
    emulated = [each.label for each in sections if each.how == "emulated" and each.latency]
    if emulated:
        names = f"{', '.join(emulated)}: l" if len(sections) > 1 else "L"
        yield f"{names}atency is emulated. {EMULATED}."


def _doubts(sections: Sequence[Section]) -> Iterator[str]:
    """Why runs are not valid: of a few runs in the words of their issues, of many counted by code."""
    doubted = [each for each in sections if each.run.verdict != "valid"]
    grave = [[issue for issue in each.run.issues if issue.severity == each.run.verdict] for each in doubted]
    if len(doubted) <= MOST_NAMED:
        for each, issues in zip(doubted, grave, strict=True):
            name = f"{each.label} is" if len(sections) > 1 else "The run is"
            yield f"{name} {each.run.verdict}. {' '.join(issue.message for issue in issues)}".strip()
        return
    counts = Counter(issue.code for issues in grave for issue in issues)
    codes = ", ".join(f"{code} in {count}" for code, count in counts.most_common())
    verdicts = Counter(each.run.verdict for each in doubted)
    told = " and ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    most = counts.most_common(1)[0][0] if counts else ""
    first = next((issue.message for issues in grave for issue in issues if issue.code == most), "")
    yield f"{told[:1].upper()}{told[1:]} of {len(sections)} runs: {codes}. {first}".strip()


def _wrong(sections: Sequence[Section]) -> Iterator[str]:
    """What figures that may be relied on say against the model or the device; wrong answers make a run invalid."""
    found: dict[str, list[str]] = {}
    for each in (each for each in sections if each.run.verdict == "valid"):
        for claim in each.claims:
            if claim.state == BAD and claim.name != "Answers":
                found.setdefault(claim.name, []).append(each.label)
    several = len(sections) > 1
    told = [name.lower() + (f" ({', '.join(labels)})" if several else "") for name, labels in found.items()]
    if told:
        yield f"Not as it should be: {', '.join(told)}."


def _losses(sections: Sequence[Section]) -> Iterator[str]:
    """What quantization cost; kernels may differ between runs, and then each is named."""
    found: dict[str, list[str]] = {}
    for each in sections:
        if each.accuracy:
            found.setdefault(loss_words(each.accuracy, each.mode), []).append(each.label)
    drops = [each.accuracy.drop for each in sections if each.accuracy and each.accuracy.drop]
    if len(found) > MOST_NAMED and len({drop.unit for drop in drops}) == 1 and drops[0].unit == "fraction":
        low, high = min(drop.value for drop in drops), max(drop.value for drop in drops)
        yield f"quantization costs {points(low)} to {points(high)} points ({drops[0].at})"
        return
    for words, labels in found.items():
        yield words if len(found) == 1 else f"{', '.join(labels)}: {words}"


def _golden_of_all(sections: Sequence[Section]) -> str:
    if all(section.golden.startswith(MATCH) for section in sections):
        return f"{MATCH} in {'both' if len(sections) == 2 else f'all {len(sections)}'} runs"
    return "; ".join(f"{section.label}: {section.golden}" for section in sections)


def _labels(runs: Sequence[Run]) -> Iterator[str]:
    """A name for each run that is unique within the report."""
    seen: dict[str, int] = {}
    several = len({str(run.release.get("mode")) for run in runs}) > 1
    for run in runs:
        mode = str(run.release.get("mode"))
        recipe = f" as {SHORT_MODES.get(mode, mode)}" if several else ""
        label = f"{run.release.get('name') or 'model'} on {_device(run)}{recipe}"
        seen[label] = seen.get(label, 0) + 1
        yield label if seen[label] == 1 else f"{label} ({seen[label]})"


def _device(run: Run) -> str:
    return str(run.device.get("name") or run.device.get("address") or "a device").rstrip(":")


def _where(runs: Sequence[Run]) -> str:
    devices = {_device(run) for run in runs}
    if len(devices) == 1:
        return f" on {_device(runs[0])}" + (f", {len(runs)} runs" if len(runs) > 1 else "")
    return f" on {len(devices)} devices" + (f", {len(runs)} runs" if len(runs) > len(devices) else "")
