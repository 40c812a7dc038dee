"""What `doctor` and `fetch` look like: for each a JSON document and a text. Only the command line imports this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgeq.host.console import table
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.doctor import Check
    from edgeq.doctor.device import Diagnosis
    from edgeq.fetch import Item
    from edgeq.runtimes.resolve import Verdict

Told = tuple[Any, str]


def tell_checks(checks: Sequence[Check]) -> Told:
    """A line for each check, then the lines that fix what is missing; what the project needs comes first there."""
    rows = [(item.name, _state(item), item.says) for item in checks]
    missing = [item for item in checks if item.state == "missing"]
    fixes = [f"  {item.fix}    # {item.name}" for item in sorted(missing, key=lambda item: not item.needed) if item.fix]
    text = table(("what", "", "says"), rows)
    text += "\n\nWhat is missing comes with:\n" + "\n".join(fixes) if fixes else ""
    document = {"ok": not any(item.needed for item in missing), "checks": [asdict(item) for item in checks]}
    return document, text


def _state(check: Check) -> str:
    return "NEEDED" if check.needed and check.state == "missing" else check.state


def tell_diagnosis(found: Diagnosis, name: str) -> Told:
    """The device's checks, then what the resolver says of each runtime."""
    lines = [table(("what", "", "says"), [(item.name, item.state, item.says) for item in found.checks])]
    rows = [(item.runtime, item.answer, item.reason) for item in found.verdicts]
    lines.append(table(("runtime", "", "why"), rows))
    hints = [f"  {item.name}: {item.fix}" for item in found.checks if item.fix and item.state != "ok"]
    hints += [f"  {item.runtime}: {item.hint}" for item in found.verdicts if item.hint]
    lines += ["\n".join(("What helps:", *hints))] if hints else []
    document = {
        "device": name,
        "ok": found.works,
        "checks": [asdict(item) for item in found.checks],
        "runtimes": [_verdict(item) for item in found.verdicts],
        "facts": dict(found.facts),
    }
    return document, "\n\n".join(lines)


def _verdict(item: Verdict) -> dict[str, Any]:
    return {**asdict(item), "wheels": [wheel.file for wheel in item.wheels]}


def tell_fetched(items: Sequence[Item]) -> Told:
    """Everything that is in EDGEQ_HOME now."""
    rows = [(item.target, item.what, format_bytes(item.bytes) if item.bytes else "") for item in items]
    text = table(("target", "what", "size"), rows) + "\n\nEDGEQ_OFFLINE=1 works with these from now on."
    return {"items": [asdict(item) for item in items]}, text
