"""The verb `report`: runs become plain data that a renderer tells. It sees only runs.

Statistics are derived here, from raw series; every figure carries how it was obtained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgeq
from edgeq.errors import ArtifactError, UsageError
from edgeq.run import VERDICTS, Run, Series, read_run
from edgeq.stats import bounds, interval, outliers, summarize
from edgeq.units import format_percent, format_seconds, three_digits

CONFIDENCE = 0.95
EMULATED = "QEMU: timing is not the hardware's"
MATCH = "golden vectors match"
FOOTPRINT = ("rss_peak", "ram")
MEMORY = (
    ("rss_load", "Memory after load"),
    ("rss_peak", "Peak memory"),
    ("ram", "RAM of the runtime"),
    ("arena", "Arena"),
    ("stack", "Stack of one inference"),
    ("static", "Variables"),
)
SHORT_MODES = {"static_wi8_ai8": "int8", "static_wi8_ai16": "int16x8", "dynamic_wi8_afp32": "dynamic int8"}
Values = tuple[float, ...]


@dataclass(frozen=True)
class Figure:
    """One derived figure. `unit`: ns, instructions, bytes, mw, uj, per_s, or fraction. `low` and `high` are its 95 %
    interval where there is one, `error_pct` its relative error; `at` says where it was obtained, if not on the device.
    """

    name: str
    label: str
    value: float
    unit: str
    how: str
    low: float | None = None
    high: float | None = None
    error_pct: float | None = None
    source: str = ""
    at: str = ""


@dataclass(frozen=True)
class Accuracy:
    """Float and quantized model on the same samples, and the loss in between, with its interval. `title` names the
    metric; `fraction` says whether it lies between 0 and 1, and losses are told in points.

    Of a model that came quantized there is only its own figure.
    """

    samples: int
    float_accuracy: Figure | None
    accuracy: Figure
    agreement: Figure | None
    drop: Figure | None
    confidence: float
    method: str
    evaluated_on: str
    title: str = "accuracy"
    fraction: bool = True

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Those that there are, in the order in which they are told."""
        every = (self.float_accuracy, self.accuracy, self.agreement, self.drop)
        return tuple(figure for figure in every if figure)


@dataclass(frozen=True)
class Section:
    """One run, told. `how` is that of its latency; `stages` are init, first inference, warm-up and steady state.
    `instructions` are those of a device that counts them and tells no time."""

    label: str
    run: Run
    how: str
    mode: str
    golden: str
    headline: str
    latency: tuple[Figure, ...]
    stages: tuple[Figure, ...]
    instructions: tuple[Figure, ...]
    memory: tuple[Figure, ...]
    power: tuple[Figure, ...]
    accuracy: Accuracy | None
    outliers: tuple[int, ...]
    notes: tuple[str, ...]

    def figure(self, name: str) -> Figure | None:
        """The figure called `name`, or None."""
        return next((figure for figure in self.figures() if figure.name == name), None)

    def figures(self) -> Iterator[Figure]:
        """Every figure of the section."""
        yield from (*self.latency, *self.stages, *self.instructions, *self.memory, *self.power)
        if self.accuracy:
            yield from self.accuracy.figures


@dataclass(frozen=True)
class Row:
    """One line of the comparison: the same figure of every run, None where a run lacks it."""

    label: str
    cells: tuple[Figure | None, ...]


@dataclass(frozen=True)
class Report:
    """A set of runs, told. `verdict` is the worst of its runs; `headlines` are one or more sentences."""

    title: str
    edgeq: str
    verdict: str
    headlines: tuple[str, ...]
    sections: tuple[Section, ...]
    comparison: tuple[Row, ...]
    remarks: tuple[str, ...]


def report(paths: Sequence[Path]) -> Report:
    """Read runs (files, or folders that hold a `run.json`) and tell them, in the order given."""
    if not paths:
        raise UsageError("There is no run to report on.", "Name run.json files; 'edgeq bench' writes them.")
    runs = [read_run(path / "run.json" if path.is_dir() else path) for path in paths]
    sections = tuple(section(run, label) for run, label in zip(runs, _labels(runs), strict=True))
    names = list(dict.fromkeys(str(run.release.get("name") or "model") for run in runs))
    return Report(
        title=", ".join(names) + _where(runs),
        edgeq=edgeq.__version__,
        verdict=max((run.verdict for run in runs), key=VERDICTS.index),
        headlines=tuple(_headlines(sections)),
        sections=sections,
        comparison=tuple(_comparison(sections)) if len(sections) > 1 else (),
        remarks=tuple(_remarks(sections)) if len(sections) > 1 else (),
    )


def section(run: Run, label: str) -> Section:
    """One run in figures and words."""
    invoke = run.one("invoke")
    latency = tuple(_latency(invoke)) if invoke and invoke.values else ()
    accuracy = _accuracy(run)
    mode = SHORT_MODES.get(str(run.release.get("mode")), str(run.release.get("mode") or "the model"))
    golden = golden_words(_mapping(run.release.get("golden")))
    how = invoke.how if invoke else ("emulated" if run.device.get("emulated") else "measured")
    instructions = tuple(_instructions(run))
    words = [golden, loss_words(accuracy, mode)] if accuracy else [golden]
    return Section(
        label=label,
        run=run,
        how=how,
        mode=mode,
        golden=golden,
        headline=_sentence(", ".join([*words, _speed(latency or instructions)])),
        latency=latency,
        stages=tuple(_stages(run)),
        instructions=instructions,
        memory=tuple(_ends(run, MEMORY)),
        power=tuple(_power(run)),
        accuracy=accuracy,
        outliers=outliers(invoke.values) if latency and invoke else (),
        notes=tuple(_notes(run, how)),
    )


def _speed(figures: Sequence[Figure]) -> str:
    """The first figure, which is the median."""
    if not figures:
        return "there are no latency samples"
    p50 = figures[0]
    if p50.unit == "instructions":
        return f"{p50.value:,.0f} instructions ({p50.how})"
    return f"p50 {format_seconds(p50.value / 1e9)} ({p50.how})"


def _instructions(run: Run) -> Iterator[Figure]:
    counted = run.one("instructions")
    if counted and counted.values:
        found = summarize(counted.values)
        for name, label, value in (
            ("instructions", "Instructions per inference (p50)", found.p50),
            ("instructions_min", "Fewest", found.min),
            ("instructions_max", "Most", found.max),
        ):
            yield Figure(name, label, value, counted.unit, counted.how, source=counted.source)
    yield from _ends(run, (("init_instructions", "Init"), ("first_inference_instructions", "First inference")))


def _latency(invoke: Series) -> Iterator[Figure]:
    found = summarize(invoke.values)
    for name, label, value, quantile in (
        ("p50", "p50", found.p50, 0.50),
        ("p90", "p90", found.p90, 0.90),
        ("p95", "p95", found.p95, 0.95),
        ("p99", "p99", found.p99, 0.99),
    ):
        enough = bounds(found.n, quantile, CONFIDENCE)
        low, high = interval(invoke.values, quantile, CONFIDENCE) if enough else (None, None)
        yield Figure(name, label, value, "ns", invoke.how, low, high, source=invoke.source)
    for name, label, value in (
        ("mean", "Mean", found.mean),
        ("std", "Standard deviation", found.std),
        ("min", "Least", found.min),
        ("max", "Greatest", found.max),
    ):
        yield Figure(name, label, value, "ns", invoke.how, source=invoke.source)
    if found.mean > 0:
        yield Figure("throughput", "Throughput", 1e9 / found.mean, "per_s", invoke.how, source="1 / mean latency")


def _stages(run: Run) -> Iterator[Figure]:
    for name, label in (
        ("init", "Init"),
        ("first_inference", "First inference"),
        ("warmup", "Warm-up (p50)"),
        ("invoke", "Steady state (p50)"),
    ):
        series = run.one(name)
        if series and series.values:
            key = "steady" if name == "invoke" else name
            yield Figure(key, label, summarize(series.values).p50, "ns", series.how, source=series.source)


def _ends(run: Run, wanted: Sequence[tuple[str, str]]) -> Iterator[Figure]:
    for name, label in wanted:
        series = run.one(name)
        if series and series.values:
            yield Figure(name, label, max(series.values), series.unit, series.how, source=series.source)


def _power(run: Run) -> Iterator[Figure]:
    power, energy = run.one("power"), run.one("energy")
    if power and power.values:
        gate = run.one("gate")
        label = "Power under load" if len(power.values) == 1 else "Power inside the gate" if gate else "Mean power"
        value = _time_mean(power, gate.values if gate else ())
        yield Figure("power", label, value, "mw", power.how, error_pct=power.error_pct, source=power.source)
    if energy and energy.values:
        value = summarize(energy.values).mean
        yield Figure(
            "energy", "Energy per inference", value, "uj", energy.how, error_pct=energy.error_pct, source=energy.source
        )


def _time_mean(series: Series, gate: Values) -> float:
    """The mean over time where samples have their times (inside the gate's windows, if any), else over samples."""
    t, v = series.t_s, series.values
    if len(t) != len(v) or len(t) < 2:
        return summarize(v).mean
    windows = list(zip(gate[::2], gate[1::2], strict=False)) or [(t[0], t[-1])]
    area = seconds = 0.0
    for i in range(len(t) - 1):
        if any(start <= t[i] and t[i + 1] <= end for start, end in windows):
            area += (v[i] + v[i + 1]) / 2 * (t[i + 1] - t[i])
            seconds += t[i + 1] - t[i]
    return area / seconds if seconds > 0 else summarize(v).mean


def _accuracy(run: Run) -> Accuracy | None:
    data = run.release.get("evaluation")
    if data is None:
        return None
    try:
        at, title, unit = f"evaluated on {data['evaluated_on']}", str(data.get("title", "accuracy")), data.get("unit")
        unit = "fraction" if unit is None else str(unit)
        named = title[:1].upper() + title[1:]
        value = data.get("value", data.get("accuracy"))
        before = data.get("float_value", data.get("float_accuracy"))

        def figure(name: str, label: str, value: Any, unit: str, *bounds: float) -> Figure:
            low, high = bounds or (None, None)
            return Figure(name, label, float(value), unit, "measured", low, high, at=at)

        bounds = (float(data["drop_low"]), float(data["drop_high"])) if before is not None else ()
        agreement = data.get("agreement")
        return Accuracy(
            samples=int(data["samples"]),
            float_accuracy=None if before is None else figure("float_accuracy", f"Float {title}", before, unit),
            accuracy=figure("accuracy", f"Quantized {title}", value, unit),
            agreement=None if agreement is None else figure("agreement", "Agreement of both", agreement, "fraction"),
            drop=figure("drop", f"{named} loss", data["drop"], unit, *bounds) if before is not None else None,
            confidence=float(data["confidence"]),
            method=str(data["method"]),
            evaluated_on=str(data["evaluated_on"]),
            title=title,
            fraction=unit == "fraction",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{run.path}: the evaluation in the run is damaged: {error!r}.", "Bench again.") from error


def _notes(run: Run, how: str) -> Iterator[str]:
    if how == "emulated":
        yield f"{EMULATED}. Accuracy, golden vectors and the deployment itself are real."
    if run.one("power") is None:
        yield "There is no power figure: no probe watched, and the target's profile models none."
    elif run.one("energy") is None:
        yield (
            "There is no energy figure: it would need the hardware's latency, and this one is emulated."
            if how == "emulated"
            else "There is no energy figure: the recording says neither when nor how many inferences ran."
        )
    if run.one("rss_peak") is None and run.one("ram") is None:
        yield "There is no memory figure: the device did not report one."
    if run.release.get("evaluation") is None:
        yield "There is no accuracy figure: the bundle was built without labelled data (--eval)."


def _comparison(sections: Sequence[Section]) -> Iterator[Row]:
    names = ("p50", "p90", "p99", "throughput", "init", "first_inference", "instructions", *FOOTPRINT)
    for name in (*names, "power", "energy", "float_accuracy", "accuracy", "drop"):
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


def _headlines(sections: Sequence[Section]) -> Iterator[str]:
    if len(sections) == 1:
        yield sections[0].headline
    else:
        yield _sentence("; ".join([_golden_of_all(sections), *_losses(sections)]))
    for section in sections:
        name = f"{section.label} is" if len(sections) > 1 else "The run is"
        grave = [issue.message for issue in section.run.issues if issue.severity == section.run.verdict]
        if section.run.verdict != "valid":
            yield f"{name} {section.run.verdict}. {' '.join(grave)}".strip()
    emulated = [section.label for section in sections if section.how == "emulated" and section.latency]
    if emulated:
        names = f"{', '.join(emulated)}: l" if len(sections) > 1 else "L"
        yield f"{names}atency is emulated. {EMULATED}."


def _losses(sections: Sequence[Section]) -> Iterator[str]:
    """What quantization cost; kernels may differ between runs, and then each is named."""
    found: dict[str, list[str]] = {}
    for each in sections:
        if each.accuracy:
            found.setdefault(loss_words(each.accuracy, each.mode), []).append(each.label)
    for words, labels in found.items():
        yield words if len(found) == 1 else f"{', '.join(labels)}: {words}"


def _golden_of_all(sections: Sequence[Section]) -> str:
    if all(section.golden.startswith(MATCH) for section in sections):
        return f"{MATCH} in {'both' if len(sections) == 2 else f'all {len(sections)}'} runs"
    return "; ".join(f"{section.label}: {section.golden}" for section in sections)


def golden_words(golden: Mapping[str, Any]) -> str:
    """Whether the golden vectors matched, in words; `worst` and `tolerance` count output steps (LSB)."""
    worst, tolerance = golden.get("worst"), golden.get("tolerance", 0)
    if not golden.get("vectors") or not isinstance(worst, (int, float)) or not isinstance(tolerance, (int, float)):
        return "golden vectors were not checked"
    steps = f"worst difference {worst:g} step{'' if worst == 1 else 's'}, {tolerance} allowed"
    return f"{MATCH if worst <= tolerance else 'golden vectors do not match'} ({golden['vectors']} vectors, {steps})"


def loss_words(accuracy: Accuracy, mode: str) -> str:
    """What quantization cost, in percentage points with its interval; of a model that came quantized what it has."""
    drop, rest = accuracy.drop, f"{accuracy.accuracy.at}, {accuracy.samples} samples"
    if drop is None:
        value = accuracy.accuracy.value
        right = (
            format_percent(value) if accuracy.fraction else f"{three_digits(value)} {accuracy.accuracy.unit}".strip()
        )
        return f"{mode} reaches {right} {accuracy.title} ({rest})"

    def told(value: float) -> str:
        return points(value) if accuracy.fraction else three_digits(value)

    unit = "points" if accuracy.fraction else f"{drop.unit} of {accuracy.title}".strip()
    words = unit if accuracy.title == "accuracy" or not accuracy.fraction else f"{unit} of {accuracy.title}"
    interval = f"{accuracy.confidence * 100:g} % interval {told(drop.low or 0)} .. {told(drop.high or 0)}"
    if drop.value < 0:
        return f"{mode} gains {told(-drop.value)} {words} (as a loss: {interval}, {rest})"
    return f"{mode} loses {told(drop.value)} {words} ({interval}, {rest})"


def points(fraction: float) -> str:
    """A difference of fractions in percentage points: one decimal, two where one would show nothing."""
    value = fraction * 100
    return f"{value:.2f}" if 0 < abs(value) < 0.1 else f"{value + 0.0:.1f}".replace("-0.0", "0.0")


def _labels(runs: Sequence[Run]) -> Iterator[str]:
    """A name for each run that is unique within the report."""
    seen: dict[str, int] = {}
    for run in runs:
        label = f"{run.release.get('name') or 'model'} on {_device(run)}"
        seen[label] = seen.get(label, 0) + 1
        yield label if seen[label] == 1 else f"{label} ({seen[label]})"


def _device(run: Run) -> str:
    return str(run.device.get("name") or run.device.get("address") or "a device").rstrip(":")


def _where(runs: Sequence[Run]) -> str:
    devices = {_device(run) for run in runs}
    if len(devices) == 1:
        return f" on {_device(runs[0])}" + (f", {len(runs)} runs" if len(runs) > 1 else "")
    return f" on {len(devices)} devices" + (f", {len(runs)} runs" if len(runs) > len(devices) else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
