"""Is a run to be trusted? A table of checks, each with a code, a severity and the reason it exists.

`invalid` means the figures are wrong, `degraded` that they may mislead, `info` that they are right but need a remark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeq.probe.environment import reading, throttle_words
from edgeq.run import VERDICTS, Issue, Run
from edgeq.stats import outliers, summarize

FEWEST_RUNS = 30
DRIFT = 0.10
LOAD_PER_CORE = 0.5
MANY_OUTLIERS = 0.05


@dataclass(frozen=True)
class Check:
    """One row of the registry. `find` gives the message, or nothing where all is well. `timing` checks explain
    hardware timing, so they are left out where the timing is not the hardware's anyway."""

    code: str
    severity: str
    find: Callable[[Run], str]
    hint: str
    timing: bool = False


def _invoke(run: Run) -> tuple[float, ...]:
    series = run.one("invoke") or run.one("instructions")
    return series.values if series else ()


def _usable(run: Run) -> bool:
    return bool(_invoke(run)) and min(_invoke(run)) > 0


def _emulated(run: Run) -> str:
    if not any(series.how == "emulated" for series in run.series) and not run.device.get("emulated"):
        return ""
    emulator = run.device.get("emulator") or "an emulator"
    return f"The device is emulated ({emulator}): its timing is not the hardware's."


def _no_samples(run: Run) -> str:
    return "" if _invoke(run) else "The bench gave no latency samples."


def _clock_suspect(run: Run) -> str:
    bad = sum(value <= 0 for series in run.series if series.unit == "ns" for value in series.values)
    return f"{bad} timings are zero or negative: the device's clock cannot be trusted." if bad else ""


def _clock_frozen(run: Run) -> str:
    values = _invoke(run)
    equal = len(values) >= FEWEST_RUNS and min(values) == max(values)
    return f"All {len(values)} timings are exactly equal: the clock may be too coarse or frozen." if equal else ""


def _golden_failed(run: Run) -> str:
    golden = run.release.get("golden") or {}
    worst, tolerance = golden.get("worst"), golden.get("tolerance", 0)
    if worst is None or worst <= tolerance:
        return ""
    return f"Golden vectors do not match: the worst output is {worst} steps off, {tolerance} allowed."


def _golden_missing(run: Run) -> str:
    golden = run.release.get("golden") or {}
    checked = golden.get("vectors") and golden.get("worst") is not None
    return "" if checked else "No golden vectors were checked on this device."


def _too_few_runs(run: Run) -> str:
    invoke = run.one("invoke")
    n = len(invoke.values) if invoke else 0
    return f"Only {n} steady samples: percentiles above p50 are not reliable." if 0 < n < FEWEST_RUNS else ""


def _first_outlier(run: Run) -> str:
    values = _invoke(run)
    slow = len(values) > 2 and 0 in outliers(values) and values[0] > summarize(values).p50
    return "The first steady sample is an outlier: the warm-up was too short." if slow else ""


def _many_outliers(run: Run) -> str:
    values = _invoke(run)
    found = len(outliers(values)) if values else 0
    if found <= MANY_OUTLIERS * len(values):
        return ""
    return f"{found} of {len(values)} steady samples are outliers: something else interfered."


def _drifting(run: Run) -> str:
    values = _invoke(run)
    third = len(values) // 3
    if not _usable(run) or len(values) < FEWEST_RUNS:
        return ""
    first, last = summarize(values[:third]).p50, summarize(values[-third:]).p50
    change = last / first - 1
    if abs(change) <= DRIFT:
        return ""
    return f"Latency drifted by {change * 100:+.0f} % from the first to the last third of the samples."


def _governor(run: Run) -> str:
    governor = reading(run.environment, "before", "governor")
    if governor in (None, "", "performance"):
        return ""
    return f"The CPU governor is '{governor}': the clock may change while the bench runs."


def _throttled(run: Run) -> str:
    bits = [reading(run.environment, when, "throttled") for when in ("before", "after")]
    before, after = (value if isinstance(value, int) else 0 for value in bits)
    words = throttle_words(before | after)
    return f"The device reports: {', '.join(words)}." if words else ""


def _other_load(run: Run) -> str:
    load, cores = reading(run.environment, "before", "load_1m"), run.device.get("cores") or 1
    if not isinstance(load, (int, float)) or load <= cores * LOAD_PER_CORE:
        return ""
    return f"Other programs kept the device busy before the bench: load {load:.2f} on {cores} cores."


def _replayed_power(run: Run) -> str:
    power = run.one("power")
    replayed = power is not None and "recording" in power.source
    return "Power comes from a recording that was made apart from this bench." if replayed else ""


def _energy_below_idle(run: Run) -> str:
    energy = run.one("energy")
    below = energy is not None and any(value <= 0 for value in energy.values)
    return "Power inside the gate does not exceed idle power, so energy per inference has no meaning." if below else ""


CHECKS = (
    Check("no_samples", "invalid", _no_samples, "Bench again; 'edgeq doctor DEVICE' looks for the cause."),
    Check("clock_suspect", "invalid", _clock_suspect, "Bench again; look at the device's clock source."),
    Check("golden_failed", "invalid", _golden_failed, "Do not use this release; 'edgeq rollback DEVICE' goes back."),
    Check("golden_missing", "degraded", _golden_missing, "Build the bundle with golden vectors and deploy it again."),
    Check("clock_frozen", "degraded", _clock_frozen, "Look at the clock's resolution, or bench a larger model.", True),
    Check("too_few_runs", "degraded", _too_few_runs, f"Bench with at least --runs {FEWEST_RUNS}."),
    Check("drifting", "degraded", _drifting, "Let the device reach a steady temperature, then bench again.", True),
    Check(
        "throttled", "degraded", _throttled, "Use a stronger power supply or better cooling, then bench again.", True
    ),
    Check("other_load", "degraded", _other_load, "Stop other programs on the device, then bench again.", True),
    Check("energy_below_idle", "degraded", _energy_below_idle, "Check the gate's times and the count of inferences."),
    Check("emulated", "info", _emulated, "Bench on the hardware for figures to rely on."),
    Check("first_outlier", "info", _first_outlier, "Bench with a larger --warmup.", True),
    Check("many_outliers", "info", _many_outliers, "Stop other programs on the device; raise --runs.", True),
    Check("governor_not_performance", "info", _governor, "Set it: cpupower frequency-set -g performance.", True),
    Check("replayed_power", "info", _replayed_power, "Read power as belonging to the recording's own conditions."),
)


def judge(run: Run) -> tuple[str, tuple[Issue, ...]]:
    """The verdict on `run` (`valid`, `degraded` or `invalid`: the worst of its issues) and its issues, worst first."""
    invoke = run.one("invoke")
    hardware = invoke is not None and invoke.how == "measured"
    issues = []
    for check in CHECKS:
        message = check.find(run) if hardware or not check.timing else ""
        if message:
            issues.append(Issue(check.code, check.severity, message, check.hint))
    severities = {issue.severity for issue in issues}
    verdict = next((verdict for verdict in reversed(VERDICTS) if verdict in severities), "valid")
    return verdict, tuple(issues)
