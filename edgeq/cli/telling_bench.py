"""What bench says of its runs, for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edgeq.bootstrap import quantile_interval
from edgeq.host.console import table
from edgeq.run import Run, Series
from edgeq.stats import summarize
from edgeq.sustained import intervals, onset
from edgeq.units import format_bytes, format_percent, format_seconds, three_digits

Told = tuple[dict[str, Any], str]
QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
ENDED = {
    "runs": "all runs were made",
    "seconds": "the time was over",
    "rel_error": "p50 was known well enough",
    "stopped": "it was stopped",
}


def tell_run(run: Run, path: Path) -> Told:
    """The headline of one run, how sure it is, and what speaks against it; the report tells the rest."""
    series = run.one("invoke") or run.one("instructions")
    if series is None or not series.values:
        lines = [f"{_where(run)}: nothing was measured"]
    else:
        lines = [_headline(run, series), *_sure(series), *_parts(run), *_over_time(run, series), *_energy(run)]
    lines += [f"  {issue.severity}: {issue.message} {issue.hint}".rstrip() for issue in run.issues]
    return {"file": str(path), **run.to_json()}, "\n".join([*lines, f"Run: {path}  ({run.verdict})"])


def _headline(run: Run, series: Series) -> str:
    found = summarize(series.values)
    if series.unit == "instructions":
        figures = f"{found.p50:,.0f} instructions"
    else:
        figures = ", ".join(f"{name} {format_seconds(getattr(found, name) / 1e9)}" for name in ("p50", "p90", "p99"))
    why = ENDED.get(str(run.environment.get("ended_by")), "")
    ended = f"; {why}" if why and why != ENDED["runs"] else ""
    runs = f"{found.n} run{'s' * (found.n != 1)}"
    return f"{_where(run)}: {figures} per inference ({series.how}), {runs}{ended}"


def _where(run: Run) -> str:
    """`digits on local`: an address that ends with a colon is no lead of a clause."""
    return f"{run.release['name']} on {str(run.device['name']).rstrip(':')}"


def _sure(series: Series) -> list[str]:
    """95 % intervals; of counts that are all equal there are none."""
    if series.unit != "ns" or len(series.values) < 2:
        return []
    said = []
    for name, quantile in QUANTILES:
        low, high, how = quantile_interval(series.values, quantile)
        mark = "*" if how == "bootstrap" else ""
        said.append(f"{name} {format_seconds(low / 1e9)} to {format_seconds(high / 1e9)}{mark}")
    note = "  (* bootstrap: too few samples to bound it)" if any(word.endswith("*") for word in said) else ""
    return [f"  95 % intervals: {', '.join(said)}{note}"]


def _parts(run: Run) -> list[str]:
    """Loading, the first inference, the way from end to end; memory."""
    once = (("init", "load"), ("first_inference", "first inference"), ("warm_load", "load again"))
    means = (("preprocess", "preprocess"), ("postprocess", "postprocess"), ("end_to_end", "end to end"))
    counted = (("init_instructions", "load"), ("first_inference_instructions", "first inference"))
    said = _each(run, (*once, *means), lambda median: format_seconds(median / 1e9))
    said += _each(run, counted, lambda count: f"{count:,.0f} instructions")
    peak, increase = run.one("rss_peak"), run.one("rss_load")
    if peak and increase:
        said.append(
            f"memory at most {format_bytes(peak.values[0])}, {format_bytes(increase.values[0])} of it the model"
        )
    return [f"  {', '.join(part)}" for part in (said, _board_memory(run)) if part]


def _board_memory(run: Run) -> list[str]:
    """What a microcontroller needs of its RAM and flash."""
    of = _each(run, (("arena", "arena"), ("static", "variables"), ("stack", "stack at most")), format_bytes)
    ram = [f"{whole} ({', '.join(of)})" for whole in _each(run, [("ram", "RAM")], format_bytes)]
    return (ram or of) + _each(run, [("flash", "flash")], format_bytes)


def _each(run: Run, named: Iterable[tuple[str, str]], shown: Callable[[float], str]) -> list[str]:
    """The words for each series that the run has, and its median."""
    found = ((words, run.one(name)) for name, words in named)
    return [f"{words} {shown(summarize(series.values).p50)}" for words, series in found if series and series.values]


def _energy(run: Run) -> list[str]:
    """Energy per inference, how well it is known, by which meter and gate."""
    told = run.energy or {}
    value, unsure = told.get("energy_uj"), told.get("uncertainty_uj")
    if value is None or unsure is None:
        return []
    idle, supply = told.get("idle_mw"), told.get("supply_v")
    said = [f"{told['tier']}: {told['meter']}", f"gated by {told['gate']}" if told["tier"] != "T0" else "modelled"]
    said += [f"idle {idle:.4g} mW subtracted"] if idle is not None else []
    said += [f"at {supply:g} V"] if supply is not None else []
    known = told["tier"] == "T0" or "meter" in (told.get("budget") or {})
    said += [] if known else ["without the meter's own error"]
    figures = f"{three_digits(value)} uJ +- {three_digits(unsure)} uJ"
    return [f"  energy {figures} per inference (k = 2; {', '.join(said)})"]


def _over_time(run: Run, series: Series) -> list[str]:
    if not run.plan.sustained or len(series.t_s) != len(series.values):
        return []
    found = intervals(series.t_s, series.values)
    if len(found) < 2 or not found[0].p50:
        return []
    first, last = found[0], found[-1]
    begin, end = format_seconds(first.p50 / 1e9), format_seconds(last.p50 / 1e9)
    head = f"  p50 {begin} at the beginning, {end} at the end ({100 * (last.p50 / first.p50 - 1):+.1f} %)"
    return [head if onset(run) else f"{head}; no slowdown of more than 5 %"]


def tell_sweep(made: Sequence[tuple[Run, Path]]) -> Told:
    """One row for each combination; every run is kept apart."""
    rows = []
    best = min((_p50(run) for run, _ in made), default=0.0)
    for run, path in made:
        series = run.one("invoke") or run.one("instructions")
        values = series.values if series and series.values else (float("nan"),)
        timed = series is not None and series.unit == "ns"
        found = [
            format_seconds(_quantile(values, q) / 1e9) if timed else f"{_quantile(values, q):,.0f}" for q in (0.5, 0.99)
        ]
        delegate = str(run.environment.get("delegate") or run.plan.delegate or "usual")
        more = format_percent(_p50(run) / best - 1, 1) if best > 0 else ""
        rows.append((str(run.plan.threads), delegate, *found, f"+{more}", str(len(values)), run.verdict, str(path)))
    heads = ("threads", "delegate", "p50", "p99", "above the best", "runs", "verdict", "run")
    document = {"runs": [{"file": str(path), **run.to_json()} for run, path in made]}
    return document, f"{_where(made[0][0])}\n{table(heads, rows)}"


def _p50(run: Run) -> float:
    series = run.one("invoke") or run.one("instructions")
    return summarize(series.values).p50 if series and series.values else float("inf")


def _quantile(values: Sequence[float], quantile: float) -> float:
    import numpy as np

    return float(np.quantile(values, quantile))
