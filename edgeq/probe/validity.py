"""Is a run to be trusted? A table of checks, each with a code, a severity and the reason it exists.

`invalid` means the figures are wrong, `degraded` that they may mislead, `info` that they are right but need a remark.
A new code is a function, whose docstring says when it is found, and a row of `CHECKS`. The documentation is made of
them: `python -m edgeq.probe.validity docs/measuring.md`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq.probe.clock import backwards, frozen, off_rate, too_fast
from edgeq.probe.environment import (
    CAPPED_BITS,
    NOW,
    UNDERVOLTAGE_BITS,
    before_bits,
    new_bits,
    reading,
    steady,
    throttle_words,
)
from edgeq.probe.outlier import when_and_why
from edgeq.run import VERDICTS, Issue, Run
from edgeq.stats import bounds, interval, outliers, summarize
from edgeq.sustained import onset

FEWEST_RUNS = 30
DRIFT = 0.10
LOAD_PER_CORE = 0.5
OTHER_LOAD = 0.15
FREQUENCY_MOVED = 0.10
MANY_OUTLIERS = 0.05
WIDE_INTERVAL = 0.05
METER_LOST = 0.001
FIRST_MARK, LAST_MARK = "<!-- checks -->", "<!-- end of checks -->"


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
    """the device is emulated"""
    if not any(series.how == "emulated" for series in run.series) and not run.device.get("emulated"):
        return ""
    emulator = run.device.get("emulator") or "an emulator"
    return f"The device is emulated ({emulator}): its timing is not the hardware's."


def _no_samples(run: Run) -> str:
    """the bench gave no latency samples"""
    return "" if _invoke(run) else "The bench gave no latency samples."


def _clock_suspect(run: Run) -> str:
    """a timing is zero or negative"""
    timed = (series for series in run.series if series.unit == "ns" and series.name != "clock")
    bad = sum(value <= 0 for series in timed for value in series.values)
    return f"{bad} timings are zero or negative: the device's clock cannot be trusted." if bad else ""


def _clock_frozen(run: Run) -> str:
    """at least 30 samples, all exactly equal"""
    values = _invoke(run)
    equal = len(values) >= FEWEST_RUNS and min(values) == max(values)
    return f"All {len(values)} timings are exactly equal: the clock may be too coarse or frozen." if equal else ""


def _golden_failed(run: Run) -> str:
    """the worst output differs by more than the tolerance"""
    golden = run.release.get("golden") or {}
    worst, tolerance = golden.get("worst"), golden.get("tolerance", 0)
    if worst is None or worst <= tolerance:
        return ""
    return f"Golden vectors do not match: the worst output is {worst} steps off, {tolerance} allowed."


def _device_differs(run: Run) -> str:
    """of a labelled set that went through the device, outputs differ from the host's by more than is allowed"""
    found = run.correctness or {}
    beyond, allowed = found.get("beyond"), found.get("allowed_steps") or 0
    if not beyond:
        return ""
    what = f"more than {allowed} output steps off" if allowed else "not equal bit by bit"
    return f"Of {found.get('samples')} samples {beyond} are {what} between the device and the host."


def _golden_missing(run: Run) -> str:
    """no golden vectors were checked on the device"""
    golden = run.release.get("golden") or {}
    checked = golden.get("vectors") and golden.get("worst") is not None
    return "" if checked else "No golden vectors were checked on this device."


def _too_few_runs(run: Run) -> str:
    """fewer than 30 steady samples"""
    invoke = run.one("invoke")
    n = len(invoke.values) if invoke else 0
    samples = f"{n} steady sample{'s' * (n != 1)}"
    return f"Only {samples}: percentiles above p50 are not reliable." if 0 < n < FEWEST_RUNS else ""


def _first_outlier(run: Run) -> str:
    """the first steady sample is a slow outlier: the warm-up was too short"""
    values = _invoke(run)
    slow = len(values) > 2 and 0 in outliers(values) and values[0] > summarize(values).p50
    return "The first steady sample is an outlier: the warm-up was too short." if slow else ""


def _many_outliers(run: Run) -> str:
    """more than 5 % of the steady samples are outliers; the message names them, and what else was read then"""
    values = _invoke(run)
    found = len(outliers(values)) if values else 0
    if found <= MANY_OUTLIERS * len(values):
        return ""
    are = "is an outlier" if found == 1 else "are outliers"
    return f"{found} of {len(values)} steady samples {are}{when_and_why(run)}."


def _drifting(run: Run) -> str:
    """the median of the last third differs from that of the first by more than 10 %; not in a sustained bench"""
    values = _invoke(run)
    third = len(values) // 3
    if run.plan.sustained:
        return ""
    if not _usable(run) or len(values) < FEWEST_RUNS:
        return ""
    first, last = summarize(values[:third]).p50, summarize(values[-third:]).p50
    change = last / first - 1
    if abs(change) <= DRIFT:
        return ""
    return f"Latency drifted by {change * 100:+.0f} % from the first to the last third of the samples."


def _governor(run: Run) -> str:
    """the CPU governor is known and is not `performance`"""
    governor = reading(run.environment, "before", "governor")
    if governor in (None, "", "performance"):
        return ""
    return f"The CPU governor is '{governor}': the clock may change while the bench runs."


def _throttled(run: Run) -> str:
    """the clock was capped or throttled, or the soft temperature limit reached, during the bench: a bit that says "now"
    in any reading, or a sticky one that was not set before"""
    words = throttle_words(new_bits(run) & CAPPED_BITS)
    return f"The device reports: {', '.join(words)}." if words else ""


def _undervoltage(run: Run) -> str:
    """the supply was too low during the bench, by the same rule"""
    words = throttle_words(new_bits(run) & UNDERVOLTAGE_BITS)
    return f"The device reports: {', '.join(words)}." if words else ""


def _throttled_before(run: Run) -> str:
    """sticky bits say that there was throttling or under-voltage since the device started, but before the bench"""
    words = throttle_words(before_bits(run) & ~NOW)
    return f"Before the bench, since the device started: {', '.join(words)}." if words else ""


def _frequency_moved(run: Run) -> str:
    """the CPU's clock moved by more than 10 % (10th to 90th percentile of the readings) in the steady state"""
    values = sorted(value for _, value in steady(run, "cpu_hz"))
    if len(values) < 3:
        return ""
    low, high = values[len(values) // 10], values[-1 - len(values) // 10]
    if high <= 0 or (high - low) / high <= FREQUENCY_MOVED:
        return ""
    return f"The CPU's clock moved between {low / 1e6:.0f} and {high / 1e6:.0f} MHz while samples were taken."


def _other_load(run: Run) -> str:
    """other programs took more than 15 % of all cores during the bench; without such readings (an agent of before): the
    load before it was above 0.5 per core"""
    cores, series = run.device.get("cores") or 1, run.one("other_load")
    if series is not None and series.values:
        mean = sum(series.values) / len(series.values)
        if mean <= cores * OTHER_LOAD:
            return ""
        return f"Other programs took {mean:.2f} of {cores} cores during the bench."
    load = reading(run.environment, "before", "load_1m")
    if not isinstance(load, (int, float)) or load <= cores * LOAD_PER_CORE:
        return ""
    return f"Other programs kept the device busy before the bench: load {load:.2f} on {cores} cores."


def _slowed_down(run: Run) -> str:
    """a sustained bench became slower: an interval's p50 is more than 5 % above that of the first minute, with 95 %
    confidence"""
    found = onset(run) if run.plan.sustained else None
    if found is None:
        return ""
    because = f" as {found.changed}" if found.changed else ""
    return f"From {found.t_s:.0f} s on p50 is {found.rise * 100:.0f} % above the first minute's{because}."


def _wide_interval(run: Run) -> str:
    """the 95 % interval of p50 reaches further from it than 5 %, or than the relative error that was asked for"""
    values, most = _invoke(run), run.plan.rel_error or WIDE_INTERVAL
    if not _usable(run) or not bounds(len(values), 0.5):
        return ""
    (low, high), p50 = interval(values), summarize(values).p50
    off = max(high - p50, p50 - low) / p50
    return f"p50 is known to {off * 100:.1f} % only (95 % interval)." if off > most else ""


def _clock_stopped(run: Run) -> str:
    """the device's clock stood still while the host's went on"""
    return frozen(run)


def _clock_backwards(run: Run) -> str:
    """a reading of the device's clock, or the start of a sample, is before the one that came earlier"""
    return backwards(run)


def _clock_rate(run: Run) -> str:
    """the device's clock runs more than 2 % faster or slower than the host's, beyond what the link's delay explains"""
    return off_rate(run) or too_fast(run)


def _wrong_model(run: Run) -> str:
    """what was measured is not what the release's manifest names: another digest, or another release"""
    model = run.environment.get("model") or {}
    measured, expected = model.get("sha256"), model.get("expected")
    if measured and expected and measured != expected:
        return f"The device measured a model with the digest {measured[:12]}; the release names {expected[:12]}."
    n, release = model.get("n"), run.release.get("n")
    if n is not None and release is not None and n != release:
        return f"The device measured release {n}, not {release}: it was changed meanwhile."
    return ""


def _stopped(run: Run) -> str:
    """the bench was stopped before its end"""
    return "The bench was stopped before its end." if run.environment.get("ended_by") == "stopped" else ""


def _replayed_power(run: Run) -> str:
    """power comes from a meter's recording, made apart from this bench"""
    power = run.one("power")
    replayed = power is not None and "recording" in power.source
    return "Power comes from a recording that was made apart from this bench." if replayed else ""


def _energy_below_idle(run: Run) -> str:
    """energy per inference is not above zero: power inside the gate is not above idle power"""
    energy = run.one("energy")
    below = energy is not None and any(value <= 0 for value in energy.values)
    return "Power inside the gate does not exceed idle power, so energy per inference has no meaning." if below else ""


def _energy(run: Run, key: str) -> float | None:
    value = (run.energy or {}).get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _gate_off(run: Run) -> str:
    """the meter's gate does not hold the inferences that the device measured: pulses of the trigger pin are too few or
    too many, the gate is half an inference too long or too short, or pulses are not as long as inferences; or the meter
    stopped, lost the time or was at the end of its range"""
    problem = (run.energy or {}).get("problem")
    return str(problem) if problem and _energy(run, "energy_uj") is not None else ""


def _energy_not_gated(run: Run) -> str:
    """a meter watched, but nothing says when the inferences ran, so there is no energy per inference"""
    problem = (run.energy or {}).get("problem")
    return f"There is no energy per inference. {problem}" if problem and _energy(run, "energy_uj") is None else ""


def _meter_lost_samples(run: Run) -> str:
    """more than 0.1 % of the meter's samples did not arrive"""
    lost, samples = _energy(run, "lost_samples") or 0, _energy(run, "samples") or 0
    if lost <= METER_LOST * (samples + lost):
        return ""
    return f"{lost:.0f} of the meter's {samples + lost:.0f} samples did not arrive."


def _energy_uncertain(run: Run) -> str:
    """the expanded uncertainty of energy per inference is larger than half of it"""
    value, unsure = _energy(run, "energy_uj"), _energy(run, "uncertainty_uj")
    if value is None or unsure is None or value <= 0 or unsure <= value / 2:
        return ""
    budget = (run.energy or {}).get("budget") or {}
    most = max(budget, key=lambda name: budget[name], default="")
    return f"Energy per inference is known to +- {unsure / value * 100:.0f} % only, for the most part by '{most}'."


CHECKS = (
    Check("no_samples", "invalid", _no_samples, "Bench again; 'edgeq doctor DEVICE' looks for the cause."),
    Check("clock_suspect", "invalid", _clock_suspect, "Bench again; look at the device's clock source."),
    Check("clock_stopped", "invalid", _clock_stopped, "Look at the device's clock source; reset the board.", True),
    Check("clock_backwards", "invalid", _clock_backwards, "Look at the device's clock source; reset the board.", True),
    Check("wrong_model", "invalid", _wrong_model, "Deploy the bundle again, then bench; nobody may deploy meanwhile."),
    Check("golden_failed", "invalid", _golden_failed, "Do not use this release; 'edgeq rollback DEVICE' goes back."),
    Check("device_differs", "degraded", _device_differs, "The run names samples; see docs/accuracy.md, Differences."),
    Check("golden_missing", "degraded", _golden_missing, "Build the bundle with golden vectors and deploy it again."),
    Check("clock_rate", "degraded", _clock_rate, "Correct the frequency that the board's port states.", True),
    Check("clock_frozen", "degraded", _clock_frozen, "Look at the clock's resolution, or bench a larger model.", True),
    Check("too_few_runs", "degraded", _too_few_runs, f"Bench with at least --runs {FEWEST_RUNS}."),
    Check("wide_interval", "degraded", _wide_interval, "Bench with more --runs or --seconds on a quiet device.", True),
    Check("drifting", "degraded", _drifting, "Let the device reach a steady temperature, then bench again.", True),
    Check("throttled", "degraded", _throttled, "Cool the device better, then bench again.", True),
    Check("undervoltage", "degraded", _undervoltage, "Use a stronger power supply and a shorter cable.", True),
    Check("frequency_moved", "degraded", _frequency_moved, "Fix it: cpupower frequency-set -g performance.", True),
    Check("slowed_down", "degraded", _slowed_down, "Plan with the later figures, or cool the device better.", True),
    Check("other_load", "degraded", _other_load, "Stop other programs on the device, then bench again.", True),
    Check("energy_below_idle", "degraded", _energy_below_idle, "Check the gate's times and the count of inferences."),
    Check("gate_off", "degraded", _gate_off, "Check the trigger pin and its wire; see docs/power.md, Gating."),
    Check("meter_lost_samples", "degraded", _meter_lost_samples, "Plug the meter into this machine, without a hub."),
    Check("energy_uncertain", "info", _energy_uncertain, "See docs/power.md, Uncertainty, for what makes it smaller."),
    Check("energy_not_gated", "info", _energy_not_gated, "See docs/power.md, Gating."),
    Check("emulated", "info", _emulated, "Bench on the hardware for figures to rely on."),
    Check("first_outlier", "info", _first_outlier, "Bench with a larger --warmup.", True),
    Check("many_outliers", "info", _many_outliers, "Stop other programs on the device; raise --runs.", True),
    Check("governor_not_performance", "info", _governor, "Set it: cpupower frequency-set -g performance.", True),
    Check("throttled_before", "info", _throttled_before, "Sticky bits last until the device starts anew.", True),
    Check("stopped_early", "info", _stopped, "Read the figures as those of the time that it ran."),
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


def documented(text: str) -> str:
    """A page of documentation with the registry as a table between its two marks."""
    rows = ["| code | severity | when |", "|---|---|---|"]
    for check in CHECKS:
        when = " ".join((inspect.getdoc(check.find) or "").split())
        rows.append(f"| `{check.code}`{' *' if check.timing else ''} | {check.severity} | {when} |")
    before, _, rest = text.partition(FIRST_MARK)
    return f"{before}{FIRST_MARK}\n" + "\n".join(rows) + f"\n{LAST_MARK}{rest.partition(LAST_MARK)[2]}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(documented(page.read_text(encoding="utf-8")), encoding="utf-8")
