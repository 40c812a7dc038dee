"""One run, told: its figures, sentences, and what else a renderer shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeq.report.accuracy import MATCH, Accuracy, Slice, accuracy, golden_words, loss_words, on_device, slices
from edgeq.report.evidence import NONE, SEVERITIES, Advice, Evidence, Trial
from edgeq.report.figures import Figure, instructions, latency, mapping, number, stages
from edgeq.report.needs import Need, memory, needs
from edgeq.report.ops import Ops, ops
from edgeq.report.origin import origin
from edgeq.report.power import budget, meter_words, power
from edgeq.run import Run
from edgeq.stats import outliers
from edgeq.sustained import Interval, Onset, intervals, onset
from edgeq.units import format_bytes, format_percent, format_seconds, three_digits

EMULATED = "QEMU: timing is not the hardware's"
SHORT_MODES = {"static_wi8_ai8": "int8", "static_wi8_ai16": "int16x8", "dynamic_wi8_afp32": "dynamic int8"}
GOOD, BAD, OPEN = "good", "bad", "open"


@dataclass(frozen=True)
class Claim:
    """One thing that a reader wants to know first: its question, the answer, and whether that is good, bad or open."""

    name: str
    text: str
    state: str


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
    claims: tuple[Claim, ...]
    latency: tuple[Figure, ...]
    stages: tuple[Figure, ...]
    instructions: tuple[Figure, ...]
    memory: tuple[Figure, ...]
    model: tuple[Figure, ...]
    power: tuple[Figure, ...]
    budget: tuple[Figure, ...]
    meter: tuple[tuple[str, str], ...]
    needs: tuple[Need, ...]
    accuracy: Accuracy | None
    slices: tuple[Slice, ...]
    on_device: tuple[Figure, ...]
    intervals: tuple[Interval, ...]
    onset: Onset | None
    ops: Ops | None
    outliers: tuple[int, ...]
    advice: tuple[Advice, ...]
    trials: tuple[Trial, ...]
    origin: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def figure(self, name: str) -> Figure | None:
        """The figure called `name`, or None."""
        return next((figure for figure in self.figures() if figure.name == name), None)

    def figures(self) -> Iterator[Figure]:
        """Every figure of the section."""
        yield from (*self.latency, *self.stages, *self.instructions, *self.memory, *self.model, *self.power)
        if self.accuracy:
            yield from self.accuracy.figures
        yield from self.on_device


def section(run: Run, label: str, found: Evidence = NONE) -> Section:
    """One run in figures and words, with what was found of its bundle."""
    invoke = run.one("invoke")
    timed, counted = tuple(latency(invoke)), tuple(instructions(run))
    judged = accuracy(run)
    mode = SHORT_MODES.get(str(run.release.get("mode")), str(run.release.get("mode") or "the model"))
    golden = golden_words(mapping(run.release.get("golden")))
    how = invoke.how if invoke else ("emulated" if run.device.get("emulated") else "measured")
    words = [golden, loss_words(judged, mode)] if judged else [golden]
    room, right = tuple(needs(run)), tuple(on_device(run))
    lasting = tuple(intervals(invoke.t_s, invoke.values)) if invoke and run.plan.sustained else ()
    since = onset(run) if lasting else None
    return Section(
        label=label,
        run=run,
        how=how,
        mode=mode,
        golden=golden,
        headline=sentence(", ".join([*words, _speed(timed or counted)])),
        claims=tuple(
            _claims(timed or counted, golden, judged, right, mode, room, lasting, since, run.verdict == "valid")
        ),
        latency=timed,
        stages=tuple(stages(run)),
        instructions=counted,
        memory=tuple(memory(run)),
        model=tuple(_model(run)),
        power=tuple(power(run)),
        budget=budget(run),
        meter=tuple(meter_words(run)),
        needs=room,
        accuracy=judged,
        slices=tuple(slices(run)),
        on_device=right,
        intervals=lasting,
        onset=since,
        ops=ops(run),
        outliers=outliers(invoke.values) if timed and invoke else (),
        advice=tuple(_advice(run, found)),
        trials=found.trials,
        origin=tuple(origin(run, found)),
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


def _pace(figures: Sequence[Figure]) -> str:
    """The median and the slow end, with how they were obtained."""
    found = {figure.name: figure for figure in figures}
    if "p50" not in found:
        return sentence(_speed(figures))
    p50, p99, rate = (found[name] for name in ("p50", "p99", "throughput")) if "throughput" in found else (None,) * 3
    if p50 is None or p99 is None or rate is None:
        return sentence(_speed(figures))
    told = f"p50 {format_seconds(p50.value / 1e9)}, p99 {format_seconds(p99.value / 1e9)}"
    return f"{told}, {three_digits(rate.value)} inferences per second ({p50.how})."


def _claims(
    speed: Sequence[Figure],
    golden: str,
    judged: Accuracy | None,
    right: Sequence[Figure],
    mode: str,
    room: Sequence[Need],
    lasting: Sequence[Interval],
    since: Onset | None,
    valid: bool,
) -> Iterator[Claim]:
    matched = GOOD if golden.startswith(MATCH) else OPEN if golden.endswith("checked") else BAD
    yield Claim("Answers", sentence(golden), matched)
    if judged:
        drop = judged.drop
        state = (
            OPEN
            if drop is None
            else GOOD
            if (drop.low or 0) <= 0
            else BAD
            if judged.fraction and drop.value > 0.02
            else OPEN
        )
        yield Claim(judged.title[:1].upper() + judged.title[1:], f"{loss_words(judged, mode)}.", state)
    elif right:
        yield Claim("Accuracy", f"{_on_device_words(right[0])}.", OPEN)
    else:
        yield Claim("Accuracy", "Not evaluated: the bundle was built without labelled data.", OPEN)
    if room:
        words = "; ".join(need_words(need) for need in room)
        yield Claim("Fits", f"{words}.", GOOD if all(need.fits for need in room) else BAD)
    relied = valid and speed and speed[0].how == "measured"
    yield Claim("Speed", _pace(speed), GOOD if relied else OPEN)
    if lasting:
        minutes = (lasting[-1].end_s - lasting[0].start_s) / 60
        if since is None:
            yield Claim("Sustained", f"It kept its pace for {minutes:.3g} minutes.", GOOD)
        else:
            yield Claim("Sustained", onset_words(since), BAD)


def _on_device_words(found: Figure) -> str:
    """`Accuracy on the device 96.20 % (500 samples of test.npz)`."""
    fraction = found.unit == "fraction"
    value = format_percent(found.value) if fraction else f"{three_digits(found.value)} {found.unit}".strip()
    return f"{found.label} {value} ({found.source})"


def need_words(need: Need) -> str:
    """`RAM: 36.5 MiB of 3.8 GiB, 0.9 % of the free RAM of rpi4 (measured)`."""
    taken, limit = format_bytes(need.needed_bytes), format_bytes(need.limit_bytes)
    return f"{need.label}: {taken} of {limit}, {share_words(need.share)} of {need.of} ({need.how})"


def share_words(share: float) -> str:
    """`12 %`, `3.1 %`; what is less than a tenth of a percent is no more than that."""
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f} %" if share >= 0.001 else "under 0.1 %"


def onset_words(since: Onset) -> str:
    """From when on the device was slower than in its first minute, by how much, and what changed with it."""
    why = f": {since.changed}" if since.changed else "; no reading changed with it"
    return f"From {since.t_s:.0f} s on it was {since.rise * 100:.0f} % slower than at first{why}."


def _model(run: Run) -> Iterator[Figure]:
    size = number(run.release.get("model_bytes"))
    if size is not None:
        yield Figure("model_bytes", "Size of the model", size, "bytes", "measured", at="host")


def _advice(run: Run, found: Evidence) -> list[Advice]:
    said = [Advice(issue.severity, issue.code, issue.message, issue.hint, "run") for issue in run.issues]
    return sorted([*said, *found.advice], key=lambda each: SEVERITIES.index(each.severity))


def _notes(run: Run, how: str) -> Iterator[str]:
    if how == "emulated":
        yield f"{EMULATED}. Accuracy, golden vectors and the deployment itself are real."
    problem = str(mapping(run.energy).get("problem") or "")
    if problem and run.one("energy") is None:
        yield f"There is no energy figure. {problem}"
    elif run.one("power") is None:
        yield "There is no power figure: no probe watched, and the target's profile models none."
    elif run.one("energy") is None:
        yield (
            "There is no energy figure: it would need the hardware's latency, and this one is emulated."
            if how == "emulated"
            else "There is no energy figure: the recording says neither when nor how many inferences ran."
        )
    if run.one("rss_peak") is None and run.one("ram") is None:
        yield "There is no memory figure: the device did not report one."
    if run.release.get("evaluation") is None and run.correctness is None:
        yield "There is no accuracy figure: the bundle was built without labelled data (--eval)."


def sentence(words: str) -> str:
    """With a capital at its head and a point at its end."""
    return words[:1].upper() + words[1:] + "."
