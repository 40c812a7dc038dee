"""What the results of verbs over many devices look like: for each a JSON document and a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgeq.cli.telling_deploy import (
    SHORT,
    VERIFIED_HEAD,
    mark,
    needed_lines,
    plan_document,
    verified_cells,
    verified_document,
)
from edgeq.errors import EdgeqError
from edgeq.fleet import lead
from edgeq.host.console import table
from edgeq.host.parallel import DONE, FAILED, STOPPED, WAITING
from edgeq.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from edgeq.bundle import Bundle
    from edgeq.device.device import Release
    from edgeq.fleet import Line, Row
    from edgeq.plan import Plan
    from edgeq.rollback import RolledBack
    from edgeq.run import Run
    from edgeq.transaction.transaction import Deployed
    from edgeq.trust import Compared
    from edgeq.verify import Verified

Told = tuple[Any, str]
Result = TypeVar("Result")
CSV_COLUMNS = ("device", "release digest", "state", "last seen")


def tell_fleet_deployed(rows: Sequence[Row[Deployed]], bundles: Mapping[str, Bundle], exit_code: int) -> Told:
    """What serves where after a deploy to many."""

    def more(row: Row[Deployed]) -> dict[str, Any]:
        done = row.result
        return {
            "state": _deployed_state(row),
            "name": bundles[row.device.name].name,
            "digest": done.digest if done else None,
            "n": done.n if done else None,
            "previous": done.previous if done else None,
            "golden": done.golden if done else None,
            "trial": done.state == "trial" if done else None,
            "signed": done.signed if done else None,
        }

    def cells(row: Row[Deployed]) -> Sequence[Any]:
        done, told = row.result, more(row)
        which = (told["name"], done.digest[:SHORT], done.n) if done else ("", "", "")
        return (told["state"], *which, *_cost(row))

    head = ("state", "release", "digest", "n", "sent", "took")
    well = sum(row.state == DONE for row in rows)
    summary = f"{well} of {len(rows)} devices serve what was deployed{_rest(rows)}."
    if any(row.state == STOPPED for row in rows):
        summary += (
            "\nOf those that were stopped, a device that had begun to activate confirms or reverts by itself, any "
            "other serves what it did; 'edgeq releases' shows it."
        )
    return _tell(rows, more, head, cells, summary, exit_code)


def _deployed_state(row: Row[Deployed]) -> str:
    if row.result is None:
        return _state(row)
    if row.result.state == "trial":
        return "on trial"
    return "deployed" if row.result.changed else "unchanged"


def tell_fleet_plans(rows: Sequence[Row[Plan]], exit_code: int) -> Told:
    """What a deploy to many would do."""

    def cells(row: Row[Plan]) -> Sequence[Any]:
        plan = row.result
        if plan is None:
            return (_state(row), "", "", "", "")
        serving = f"{plan.serving.n} ({plan.serving.name})" if plan.serving else "nothing"
        what = "serves already" if plan.same else "would be deployed"
        sent = 0 if plan.same else plan.cargo.sent_bytes
        return (what, plan.bundle.name, plan.bundle.digest[:SHORT], serving, format_bytes(sent))

    def more(row: Row[Plan]) -> dict[str, Any]:
        return {"plan": plan_document(row.result) if row.result else None}

    head = ("state", "bundle", "digest", "serves now", "to send")
    well = sum(row.state == DONE for row in rows)
    return _tell(rows, more, head, cells, f"{well} of {len(rows)} devices would take it{_rest(rows)}.", exit_code)


def tell_fleet_verified(rows: Sequence[Row[Verified]], exit_code: int) -> Told:
    """What is sound where: a line for each release."""
    lines: list[Sequence[Any]] = [
        (row.device.name, *verified_cells(item)) for row in rows if row.result for item in row.result.releases
    ]
    lines += [
        (row.device.name, "", "", "", "none" if row.state == DONE else _state(row), "", "", "")
        for row in rows
        if not (row.result and row.result.releases)
    ]
    text = table(("device", *VERIFIED_HEAD), lines)
    document = _document(
        rows, lambda row: {"verified": verified_document(row.result) if row.result else None}, exit_code
    )
    damaged = [f"{lead(row.device.name)} {line}" for row in rows if row.result for line in needed_lines(row.result)]
    return document, "\n".join([text, *damaged, *_failures(rows)])


def tell_fleet_releases(rows: Sequence[Row[list[Release]]], exit_code: int) -> Told:
    """The releases of many devices: a line for each release."""
    lines: list[Sequence[Any]] = [
        (row.device.name, item.n, item.name, item.digest[:SHORT], item.state, mark(item), item.why)
        for row in rows
        for item in row.result or ()
    ]
    lines += [
        (row.device.name, "", "", "", "none" if row.state == DONE else _state(row), "", "")
        for row in rows
        if not row.result
    ]
    text = table(("device", "n", "name", "digest", "state", "", "why"), lines)
    document = _document(rows, lambda row: {"releases": [asdict(item) for item in row.result or ()]}, exit_code)
    return document, "\n".join([text, *_failures(rows)])


def tell_fleet_rolled_back(rows: Sequence[Row[RolledBack]], exit_code: int) -> Told:
    """What serves where after going back."""

    def more(row: Row[RolledBack]) -> dict[str, Any]:
        found = row.result.now if row.result else None
        before = row.result.before if row.result else None
        return {
            "n": found.n if found else None,
            "name": found.name if found else None,
            "digest": found.digest if found else None,
            "before": asdict(before) if before else None,
        }

    def cells(row: Row[RolledBack]) -> Sequence[Any]:
        found = row.result
        if found is None:
            return (_state(row), "", "", "", "")
        before = f"{found.before.n} ({found.before.name})" if found.before else ""
        return (_state(row), found.now.name, found.now.digest[:SHORT], found.now.n, before)

    well = sum(row.state == DONE for row in rows)
    summary = f"On {well} of {len(rows)} devices the previous release serves again{_rest(rows)}."
    return _tell(rows, more, ("state", "release", "digest", "n", "instead of"), cells, summary, exit_code)


def tell_fleet_runs(rows: Sequence[Row[Run]], paths: Mapping[str, Path], exit_code: int) -> Told:
    """The headlines of many runs."""

    def cells(row: Row[Run]) -> Sequence[Any]:
        if row.result is None:
            return (_state(row), "", "", "", "")
        return (row.result.verdict, row.result.release["name"], *_figures(row.result), paths[row.device.name])

    def more(row: Row[Run]) -> dict[str, Any]:
        run = row.result
        return {
            "file": str(paths[row.device.name]) if run else None,
            "verdict": run.verdict if run else None,
            "run": run.to_json() if run else None,
        }

    well = sum(row.state == DONE for row in rows)
    summary = f"{well} of {len(rows)} devices were measured{_rest(rows)}."
    return _tell(rows, more, ("verdict", "release", "p50", "p99", "run"), cells, summary, exit_code)


def _figures(run: Run) -> tuple[str, str]:
    from edgeq.stats import summarize

    series = run.one("invoke") or run.one("instructions")
    assert series is not None
    found = summarize(series.values)
    if series.unit == "instructions":
        return f"{found.p50:,.0f} instr.", f"{found.p99:,.0f} instr."
    return format_seconds(found.p50 / 1e9), format_seconds(found.p99 / 1e9)


def tell_inventory(found: Sequence[Line]) -> Told:
    """The devices, what serves on each, and when each was last seen."""
    devices = [_inventory_document(item) for item in found]
    words = {True: "yes", False: "no", None: "not asked"}
    rows = [
        (
            *(line[key] for key in ("device", "address", "target")),
            words[line["reachable"]],
            *(line["name"], line["digest"][:SHORT], line["state"], line["last_seen"] or "never"),
        )
        for line in devices
    ]
    head = ("device", "address", "target", "reachable", "release", "digest", "state", "last seen")
    why = [_why(item.device.name, item.error) for item in found if item.error]
    return {"devices": devices}, "\n".join([table(head, rows), *why]) if rows else "No devices are known here."


def _inventory_document(item: Line) -> dict[str, Any]:
    seen = item.seen
    return {
        "device": item.device.name,
        "address": item.device.address,
        "target": item.device.target,
        "tags": list(item.device.tags),
        "reachable": item.reachable,
        "digest": seen.digest if seen else "",
        "name": seen.name if seen else "",
        "state": _inventory_state(item),
        "last_seen": seen.last_seen if seen else None,
        "error": _error(item.error),
    }


def inventory_csv(found: Sequence[Line]) -> str:
    """One line for each device after the names of the columns (RFC 4180, with plain newlines)."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for line in map(_inventory_document, found):
        writer.writerow([line["device"], line["digest"], line["state"], line["last_seen"] or ""])
    return text.getvalue().rstrip("\n")


def _inventory_state(item: Line) -> str:
    """The state of what serves, or served when the device was last seen."""
    return (item.seen.state if item.seen else "") or "unknown"


def tell_trusted(compared: Sequence[Compared], file: Path, exit_code: int) -> Told:
    """Which hosts of a list are trusted now."""
    document = {
        "file": str(file),
        "hosts": [
            {
                "host": item.host,
                "state": item.state,
                "type": item.key.type if item.key else None,
                "fingerprint": item.key.fingerprint if item.key else None,
                "error": _error(item.error),
            }
            for item in compared
        ],
        "exit_code": exit_code,
    }
    rows = [
        (item.host, item.state, *((item.key.type, item.key.fingerprint) if item.key else ("", ""))) for item in compared
    ]
    well = sum(item.error is None and item.key is not None for item in compared)
    why = [_why(item.host, item.error) for item in compared if item.error]
    kept = f"{well} of {len(compared)} hosts are trusted" + (f"; kept in {file}." if well else ".")
    return document, "\n".join([table(("host", "state", "type", "fingerprint"), rows), *why, kept])


def _tell(
    rows: Sequence[Row[Result]],
    more: Callable[[Row[Result]], dict[str, Any]],
    head: Sequence[str],
    cells: Callable[[Row[Result]], Sequence[Any]],
    summary: str,
    exit_code: int,
) -> Told:
    text = table(("device", *head), [(row.device.name, *cells(row)) for row in rows])
    return _document(rows, more, exit_code), "\n".join([text, *_failures(rows), summary])


def _document(
    rows: Sequence[Row[Result]], more: Callable[[Row[Result]], dict[str, Any]], exit_code: int
) -> dict[str, Any]:
    return {"devices": [{**_common(row), **more(row)} for row in rows], "exit_code": exit_code}


def _common(row: Row[Result]) -> dict[str, Any]:
    return {
        "device": row.device.name,
        "address": row.device.address,
        "state": _state(row),
        "error": _error(row.error),
        "seconds": round(row.seconds, 3),
        "sent_bytes": row.sent_bytes,
    }


def _error(error: EdgeqError | None) -> dict[str, Any] | None:
    """As a single device's error: where a deploy failed also `step`, and `serving` where that is known."""
    told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code} if error else None
    return {**told, **error.facts} if told and error else None


def _state(row: Row[Result]) -> str:
    return "not begun" if row.state == WAITING else row.state


def _cost(row: Row[Result]) -> tuple[str, str]:
    if row.state == WAITING:
        return "", ""
    return format_bytes(row.sent_bytes), f"{row.seconds:.1f} s"


def _failures(rows: Sequence[Row[Result]]) -> list[str]:
    return [_why(row.device.name, row.error) for row in rows if row.error]


def _why(name: str, error: EdgeqError | None) -> str:
    return f"{lead(name)} {error.message} {error.hint}".rstrip() if error else ""


def _rest(rows: Sequence[Row[Result]]) -> str:
    """`; 1 failed, 2 not begun`."""
    states = [_state(row) for row in rows if row.state != DONE]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys((FAILED, *states)) if state in states]
    return f"; {', '.join(parts)}" if parts else ""
