"""What every form of a comparison says alike."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10

from edgeq.compare import Comparison, Judged, Objection, Side
from edgeq.compare.policy import UNITS
from edgeq.render.words import amount
from edgeq.units import three_digits

STATUS_WORDS = {
    "regression": "regression",
    "unsure": "not enough samples to tell",
    "missing": "missing",
    "refused": "refused",
    "worse": "worse, and allowed",
    "same": "no difference",
    "better": "better",
}
HEAD = ("Figure", "Base", "New", "Change", "Allowed", "Answer")


def shown(comparison: Comparison) -> list[Judged]:
    """The metrics that are told: what nobody misses is left out."""
    return [each for each in comparison.metrics if each.status != "missing" or each.gate != "pass"]


def cells(judged: Judged) -> tuple[str, ...]:
    """One line of the table, as `HEAD` names it."""
    values = value_text(judged, judged.base), value_text(judged, judged.new)
    return (judged.label, *values, change_text(judged), judged.allowed, answer_text(judged))


def answer_text(judged: Judged) -> str:
    """What came out, and whether the policy only warns of it or fails for it."""
    weight = {"fail": " (fails)", "warn": " (warning)"}.get(judged.gate, "")
    return STATUS_WORDS[judged.status] + (weight if judged.status in ("unsure", "missing") else "")


def value_text(judged: Judged, value: float | None) -> str:
    """A value in the unit that the policy names, else in one that people read."""
    if value is None:
        return "-"
    if judged.told_in and judged.unit != "fraction":
        return f"{three_digits(value / UNITS[judged.unit][judged.told_in])} {judged.told_in}"
    return amount(value, judged.unit)


def change_text(judged: Judged) -> str:
    """`+15.0 % (14.6 .. 15.4)`; without an interval where the figures have no noise of their own."""
    if judged.change is None:
        return "-"
    if judged.relative:
        scale, unit = 100.0, "%"
    elif judged.unit == "fraction":
        scale, unit = 100.0, "points"
    else:
        unit = judged.told_in or {"ns": "us", "bytes": "B", "uj": "uJ"}.get(judged.unit, judged.unit)
        scale = 1 / UNITS[judged.unit][unit]
    bounds = () if judged.low is None or judged.high is None or judged.low == judged.high else (judged.low, judged.high)
    values = [value * scale for value in (judged.change, *bounds)]
    # A share is told to a hundredth of a percent; a difference in a unit that may be large for it to two digits.
    least = 2 if unit in ("%", "points") else _digits(max(map(abs, values)))
    told, *ends = (_signed(value, least) for value in values)
    return f"{told} {unit} ({' .. '.join(ends)})" if ends else f"{told} {unit}"


def side_text(side: Side) -> str:
    """`digits 0a1b2c3d4e5f on Raspberry Pi 4, measured, 2 runs`."""
    release = " ".join(part for part in (side.title, side.digest[:12]) if part)
    runs = f", {side.runs} runs" if side.runs > 1 else ""
    return f"{release}{f' on {side.device}' if side.device else ''}, {side.how}{runs}, taken {side.created}"


def objection_text(objection: Objection) -> str:
    """One sentence with its code, and who waived it why."""
    if objection.waiver:
        by, reason = objection.waiver.by, objection.waiver.reason
        return f"waived [{objection.code}] {objection.message} Waived by {by}: {reason}"
    word = "refused" if objection.severity == "refuse" else "warning"
    about = f" ({', '.join(objection.metrics)})" if objection.refuses and objection.about != "everything" else ""
    return f"{word} [{objection.code}]{about} {objection.message} {objection.hint}"


def remarks(comparison: Comparison) -> Iterator[str]:
    """Everything that is said below the table."""
    yield from map(objection_text, comparison.objections)
    for each in shown(comparison):
        if each.note and each.status != "refused":
            yield f"{each.label}: {each.note}"
    for waiver in comparison.idle:
        yield f"The waiver of '{waiver.code}' met no objection."
    drawn = any("bootstrap" in each.method and each.low is not None for each in comparison.metrics)
    if drawn and max(comparison.base.runs, comparison.new.runs) == 1:
        yield "What differs from bench to bench is in no interval here: give several runs with --base and --new."


def footing(comparison: Comparison) -> str:
    """How the figures were compared."""
    methods = dict.fromkeys(each.method for each in comparison.metrics if each.method and each.low is not None)
    return "; ".join([f"{comparison.confidence * 100:g} % intervals", f"policy: {comparison.policy}", *methods])


def printable(text: str) -> str:
    """The text on one line, without what steers a terminal or no XML can hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _digits(largest: float) -> int:
    """Places behind the point that show two digits of the largest value; two at least, and no more than nine."""
    return min(9, max(2, 1 - floor(log10(largest)))) if largest else 2


def _signed(value: float, least: int) -> str:
    """Three digits of what is large; `least` places behind the point of what is small."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else least
    return f"{value:+,.{digits}f}"
