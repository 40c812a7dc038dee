"""Why a comparison of two runs would mislead: one registry, a code each, and waivers by which somebody answers for it.

`refuse` means that the figures it is about are not compared unless it is waived; `warn` that they are, with a remark.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgeq.compare.metrics import METRICS, Metric, accuracy, energy
from edgeq.errors import UsageError
from edgeq.run import Run, Series

SUPPLY_WITHIN = 0.02
"""Supply voltages that differ by no more of the lower one are the same: a meter's setting and its reading do."""
_REVISION = re.compile(r"\s*\bRev(?:ision)?\.?\s*[\w.]+", re.IGNORECASE)

ALL, TIMES, ENERGY, ACCURACY = "everything", "times", "energy", "accuracy"


@dataclass(frozen=True)
class Waiver:
    """An objection with this `code` is waived `by` somebody, for a `reason`."""

    code: str
    by: str
    reason: str


@dataclass(frozen=True)
class Objection:
    """What was found, between which two runs; `metrics` are the names of the figures that it is about."""

    code: str
    severity: str
    about: str
    message: str
    hint: str
    metrics: tuple[str, ...]
    waiver: Waiver | None = None

    @property
    def refuses(self) -> bool:
        """Whether it stands in the way."""
        return self.severity == "refuse" and self.waiver is None


@dataclass(frozen=True)
class Pair:
    """Two runs and what sentences call them."""

    base: Run
    new: Run
    first: str
    second: str


@dataclass(frozen=True)
class Check:
    """One row of the registry. `find` gives the message, or nothing where all is well; `when` is for the docs."""

    code: str
    severity: str
    about: str
    find: Callable[[Pair], str]
    when: str
    hint: str
    waivable: bool = True


def _same_run(pair: Pair) -> str:
    same = _fingerprint(pair.base) == _fingerprint(pair.new)
    return f"{pair.first} and {pair.second} are one and the same run." if same else ""


def _invalid(pair: Pair) -> str:
    return _verdicts(pair, "invalid")


def _degraded(pair: Pair) -> str:
    return _verdicts(pair, "degraded")


def _verdicts(pair: Pair, verdict: str) -> str:
    found = []
    for name, run in ((pair.first, pair.base), (pair.second, pair.new)):
        if run.verdict == verdict:
            codes = ", ".join(issue.code for issue in run.issues if issue.severity == verdict)
            found.append(_sentence(f"{name} is {verdict}{f' ({codes})' if codes else ''}."))
    return " ".join(found)


def _model(pair: Pair) -> str:
    if pair.base.release.get("name") == pair.new.release.get("name") or (
        _float(pair.base) and _float(pair.base) == _float(pair.new)
    ):
        return ""
    return (
        f"The runs are of different models: {_told(pair.base.release, 'name')} and {_told(pair.new.release, 'name')}."
    )


def _lineage(pair: Pair) -> str:
    if pair.base.release.get("name") != pair.new.release.get("name") or not _differ(
        _float(pair.base), _float(pair.new)
    ):
        return ""
    macs = pair.base.release.get("macs"), pair.new.release.get("macs")
    work = f" ({macs[0]:,} and {macs[1]:,} MACs)" if all(isinstance(count, int) for count in macs) else ""
    return f"Both are called {_told(pair.base.release, 'name')}, and were made of different float models{work}."


def _device(pair: Pair) -> str:
    rows = [(word, _device_fact(pair.base, key), _device_fact(pair.new, key)) for word, key in _CLASS]
    if not all(run.device.get("board") for run in (pair.base, pair.new)):
        rows.append(("target", pair.base.release.get("target"), pair.new.release.get("target")))
    found = [f"{word} {before} and {after}" for word, before, after in rows if _differ(before, after)]
    return f"The devices are of different kinds: {', '.join(found)}." if found else ""


def _threads(pair: Pair) -> str:
    before, after = pair.base.plan.threads, pair.new.plan.threads
    return f"The runs used different numbers of threads: {before} and {after}." if before != after else ""


def _delegate(pair: Pair) -> str:
    before, after = _executor(pair.base), _executor(pair.new)
    return f"The ops were executed by different delegates: {before} and {after}." if _differ(before, after) else ""


def _runtime(pair: Pair) -> str:
    before, after = (
        " ".join(str(run.device[key]) for key in ("runtime", "runtime_version") if run.device.get(key))
        for run in (pair.base, pair.new)
    )
    return f"The runtimes differ: {before} and {after}." if _differ(before, after) else ""


def _governor(pair: Pair) -> str:
    before, after = (_before(run, "governor") for run in (pair.base, pair.new))
    return f"The CPU governors differ: {before} and {after}." if _differ(before, after) else ""


def _emulated(pair: Pair) -> str:
    before, after = _is_emulated(pair.base), _is_emulated(pair.new)
    if before == after:
        return ""
    return f"{pair.first if before else pair.second} is emulated and {pair.second if before else pair.first} is not."


def _emulator(pair: Pair) -> str:
    if not (_is_emulated(pair.base) and _is_emulated(pair.new)):
        return ""
    before, after = pair.base.device.get("emulator"), pair.new.device.get("emulator")
    return f"The emulators differ: {before} and {after}." if _differ(before, after) else ""


def _preprocess(pair: Pair) -> str:
    known = [_provenance(run) for run in (pair.base, pair.new)]
    if not all("preprocess_sha256" in each for each in known):
        return ""
    before, after = (each["preprocess_sha256"] for each in known)
    return "Preprocessing differs between the two releases." if before != after else ""


def _span(pair: Pair) -> str:
    before, after = pair.base.plan.end_to_end, pair.new.plan.end_to_end
    if before == after:
        return ""
    return f"{pair.first if before else pair.second} alone was timed from end to end."


def _sustained(pair: Pair) -> str:
    before, after = pair.base.plan.sustained, pair.new.plan.sustained
    if before == after:
        return ""
    return f"{pair.first if before else pair.second} alone was sustained: a short bench ends before a device is warm."


def _input(pair: Pair) -> str:
    before, after = (run.release.get("input_sha256") for run in (pair.base, pair.new))
    return f"The inputs differ: {str(before)[:12]} and {str(after)[:12]}." if _differ(before, after) else ""


def _data(pair: Pair) -> str:
    before, after = accuracy(pair.base), accuracy(pair.new)
    if not before or not after:
        return ""
    found = [key for key in ("data", "samples", "title", "at") if _differ(before[key], after[key])]
    words = {
        "data": "on different samples",
        "samples": "on different numbers of samples",
        "title": "in different metrics",
        "at": "in different places",
    }
    return f"Accuracy was found {', '.join(words[key] for key in found)}." if found else ""


def _supply(pair: Pair) -> str:
    before, after = _supply_v(pair.base), _supply_v(pair.new)
    if not (energy(pair.base) and energy(pair.new)) or before is None or after is None:
        return ""
    if abs(before - after) <= SUPPLY_WITHIN * min(before, after):
        return ""
    return f"The supply voltages differ: {before:.3g} V and {after:.3g} V."


def _tier(pair: Pair) -> str:
    before, after = _metered(pair.base, "tier"), _metered(pair.new, "tier")
    return f"Energy is of different tiers: {before} and {after}." if _differ(before, after) else ""


def _scope(pair: Pair) -> str:
    before, after = _metered(pair.base, "scope"), _metered(pair.new, "scope")
    return f"The meters saw different things: {before} and {after}." if _differ(before, after) else ""


def _gate(pair: Pair) -> str:
    # How many pulses there were is no way of gating.
    before, after = (re.sub(r"\d+ pulses", "pulses", str(_metered(run, "gate") or "")) for run in (pair.base, pair.new))
    return f"The meters were gated differently: {before} and {after}." if _differ(before, after) else ""


_CLASS = (("architecture", "arch"), ("board", "board"), ("CPU", "cpu"), ("cores", "cores"))
_AGAIN = "Bench both sides alike, then compare again."

CHECKS = (
    Check("same_run", "refuse", ALL, _same_run, "both sides are one and the same run", "Name two runs.", False),
    Check(
        "invalid_run",
        "refuse",
        ALL,
        _invalid,
        "a run is `invalid`: its figures must not be used",
        "Bench again; 'edgeq report RUN' says what is wrong.",
        False,
    ),
    Check(
        "degraded_run",
        "refuse",
        ALL,
        _degraded,
        "a run is `degraded`: its figures may mislead",
        "Do what the run's hints say ('edgeq report RUN') and bench again.",
    ),
    Check(
        "emulated_real",
        "refuse",
        ALL,
        _emulated,
        "one run is emulated and the other is not",
        "Compare emulated runs with emulated ones.",
    ),
    Check(
        "other_model",
        "refuse",
        ALL,
        _model,
        "the names of the models differ, and no float model is known to be behind both",
        "'edgeq report A B' tells runs of different models side by side.",
    ),
    Check(
        "other_device",
        "refuse",
        ALL,
        _device,
        "architecture, board (but for its revision), CPU or cores differ; the targets, where a board is not known",
        "Compare runs of one kind of device; 'edgeq report A B' tells others side by side.",
    ),
    Check("other_threads", "refuse", ALL, _threads, "the numbers of threads differ", "Bench with the same --threads."),
    Check(
        "other_delegate",
        "refuse",
        ALL,
        _delegate,
        "what executes the ops (delegate, else the bundle's kernels) differs",
        "Bench with the same --delegate.",
    ),
    Check(
        "other_preprocess",
        "refuse",
        ALL,
        _preprocess,
        "the digests of the preprocessing differ",
        "Build both from the same [preprocess].",
    ),
    Check(
        "other_span",
        "refuse",
        TIMES,
        _span,
        "one run was timed from end to end and the other was not",
        "Bench both with --end-to-end, or both without.",
    ),
    Check(
        "other_length",
        "refuse",
        TIMES,
        _sustained,
        "one run was sustained and the other was not",
        "Bench both with --sustained, or both without.",
    ),
    Check("other_input", "refuse", ALL, _input, "the digests of the inputs differ", "Bench both on the same input."),
    Check(
        "other_data",
        "refuse",
        ACCURACY,
        _data,
        "the labelled samples, the metric or the place (host, device) of accuracy differ",
        "Evaluate both on the same samples.",
    ),
    Check(
        "other_supply",
        "refuse",
        ENERGY,
        _supply,
        f"the supply voltages differ by more than {SUPPLY_WITHIN:.0%}",
        "Meter both at the same voltage: energy depends on it.",
    ),
    Check("other_tier", "refuse", ENERGY, _tier, "the power tiers (T0 to T3) differ", "Use the same kind of meter."),
    Check(
        "other_scope", "refuse", ENERGY, _scope, "the meters saw different parts of the device", "Meter the same part."
    ),
    Check("other_gate", "warn", ENERGY, _gate, "the windows of the meters were found differently", _AGAIN),
    Check(
        "other_runtime",
        "warn",
        ALL,
        _runtime,
        "the runtimes or their versions differ",
        "A difference may be the runtime's and not the model's.",
    ),
    Check(
        "other_lineage",
        "warn",
        ALL,
        _lineage,
        "the names are equal, and the float models behind them are not: trained anew",
        "A difference may come from the new model's shape.",
    ),
    Check("other_governor", "warn", TIMES, _governor, "the CPU governors differ", _AGAIN),
    Check("other_emulator", "warn", ALL, _emulator, "both are emulated, and not by the same emulator", _AGAIN),
)
"""Every reason, the gravest first."""
CODES = {check.code: check for check in CHECKS}


def read_waiver(code: str, by: str, reason: str) -> Waiver:
    """A waiver; `UsageError` for a code that no objection has, or one that nobody can answer for."""
    if code not in CODES:
        near = difflib.get_close_matches(code, CODES, 1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(CODES)}."
        raise UsageError(f"No objection has the code '{code}' that a waiver names.", hint)
    if not CODES[code].waivable:
        raise UsageError(f"'{code}' cannot be waived: {CODES[code].when}.", CODES[code].hint)
    return Waiver(code, by.strip(), reason.strip())


def object_to(
    base: Sequence[Run], new: Sequence[Run], metrics: Sequence[str], waivers: Sequence[Waiver]
) -> tuple[Objection, ...]:
    """What stands against comparing these sides by these metrics, each code once.

    Every run is held against every other one: those of one side must be alike, too.
    """
    by_code, found = {waiver.code: waiver for waiver in waivers}, dict[str, Objection]()
    concerned = {check.code: tuple(name for name in metrics if _concerns(check, METRICS[name])) for check in CHECKS}
    for pair in _pairs(base, new):
        for check in CHECKS:
            message = check.find(pair) if concerned[check.code] and check.code not in found else ""
            if message:
                told = _sentence(message), check.hint, concerned[check.code]
                objection = Objection(check.code, check.severity, check.about, *told)
                found[check.code] = replace(objection, waiver=by_code.get(check.code))
    return tuple(found[check.code] for check in CHECKS if check.code in found)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _pairs(base: Sequence[Run], new: Sequence[Run]) -> list[Pair]:
    """Pairs across the sides come first: they are told, where others have the same code."""
    names = (
        [f"{word} (run {number})" if len(side) > 1 else word for number in range(1, len(side) + 1)]
        for word, side in (("the base", base), ("the new run", new))
    )
    named = [list(zip(side, words, strict=True)) for side, words in zip((base, new), names, strict=True)]
    across = itertools.product(*named)
    inside = (pair for side in named for pair in itertools.combinations(side, 2))
    return [Pair(one, other, first, second) for (one, first), (other, second) in (*across, *inside)]


def _concerns(check: Check, metric: Metric) -> bool:
    """Whether an objection of this kind is about the metric. Sizes of a file are what they are, whoever benched it."""
    if metric.name == "model_bytes":
        return check.code in ("same_run", "other_model", "other_lineage")
    if metric.kind == "accuracy":
        return check.about in (ALL, ACCURACY) and check.code not in ("other_threads", "other_governor", "emulated_real")
    if metric.kind == "energy":
        return check.about in (ALL, TIMES, ENERGY)
    return check.about == ALL or (check.about == TIMES and metric.timing)


def _fingerprint(run: Run) -> Any:
    """What no two benches share: when, what, and figures of which each bench has one. A baseline keeps all of it."""
    once = [run.one(name) for name in ("init", "first_inference", "init_instructions", "first_inference_instructions")]
    return run.created, run.release.get("digest"), [series.values for series in once if series]


def _differ(before: Any, after: Any) -> bool:
    """Whether both are known and differ."""
    return before not in (None, "") and after not in (None, "") and before != after


def _told(table: Mapping[str, Any], key: str) -> str:
    return f"'{table[key]}'" if table.get(key) else "one without a name"


def _provenance(run: Run) -> Mapping[str, Any]:
    found = run.release.get("provenance")
    return found if isinstance(found, Mapping) else {}


def _float(run: Run) -> Any:
    return _provenance(run).get("float_sha256")


def _executor(run: Run) -> Any:
    return run.plan.delegate or _provenance(run).get("kernels")


def _device_fact(run: Run, key: str) -> Any:
    value = run.device.get(key)
    return " ".join(_REVISION.sub("", value).split()) if isinstance(value, str) else value


def _before(run: Run, key: str) -> Any:
    readings = run.environment.get("before")
    return readings.get(key) if isinstance(readings, Mapping) else None


def _is_emulated(run: Run) -> bool:
    return bool(run.device.get("emulated")) or any(series.how == "emulated" for series in run.series)


def _supply_v(run: Run) -> float | None:
    """Where the meter says it, else the middle of what the device read of its supply."""
    said = (run.energy or {}).get("supply_v")
    if isinstance(said, (int, float)):
        return float(said)
    return _middle(run.one("voltage") or run.one("supply"))


def _middle(series: Series | None) -> float | None:
    if series is None or not series.values:
        return None
    return sorted(series.values)[len(series.values) // 2]


def _metered(run: Run, key: str) -> Any:
    """What the meter says; nothing where no energy was metered."""
    return (run.energy or {}).get(key) if energy(run) else None
