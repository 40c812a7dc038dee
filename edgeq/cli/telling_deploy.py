"""What the results of verbs about releases look like: for each a JSON document and a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgeq.agent.applied import already
from edgeq.host.console import table
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.device.device import Installed, Release
    from edgeq.plan import Plan
    from edgeq.rollback import RolledBack
    from edgeq.transaction.transaction import Deployed
    from edgeq.verify import Checked, Verified

Told = tuple[Any, str]
SHORT = 12
VERIFIED_HEAD = ("n", "name", "digest", "state", "", "found", "why")


def tell_deployed(done: Deployed, name: str, address: str) -> Told:
    """What serves after a deploy."""
    document = {"device": address, "name": name, **asdict(done)}
    serves = f"{name} ({done.digest[:SHORT]}) serves on {address} as release {done.n}"
    if done.state == "trial":
        serves += ", on trial"
        look = (
            f"The device confirms it or goes back by itself; 'edgeq releases {address}' shows which, "
            f"and 'edgeq confirm {address}' ends a trial that waits for somebody's word."
        )
    if not done.changed:
        return document, f"{serves} {already(done.signed)}" + (f"\n{look}" if done.state == "trial" else "")
    golden = done.golden
    before = f"; release {done.previous} is kept for rollback" if done.previous else ""
    lines = [
        f"{serves}{before}.",
        f"Golden vectors: {golden['vectors']} match on the device, off by {golden['worst']:g} output step(s), "
        f"tolerance {golden['tolerance']}; {golden['runtime']}.",
        *([f"Gate: an inference takes {golden['latency_ms']:.3g} ms."] if "latency_ms" in golden else []),
        f"Sent {format_bytes(done.sent_bytes)}.",
        *([look] if done.state == "trial" else []),
    ]
    return document, "\n".join(lines)


def tell_plan(plan: Plan) -> Told:
    """What a deploy would do."""
    bundle = plan.bundle
    title = f"A plan, nothing was changed: {bundle.name} ({bundle.digest[:SHORT]}) to {plan.address}"
    if plan.same:
        but = "leave all but its signatures" if plan.fit.envelope else "leave all"
        return plan_document(plan), f"{title}\nIt serves there already; a deploy would test it and {but} as it is."
    returns = f"{plan.serving}, to which any failure returns" if plan.serving else "nothing"
    rows = [
        (piece.name, format_bytes(piece.size_bytes), format_bytes(piece.sent_bytes), _there(piece.offset))
        for piece in plan.cargo.pieces
    ]
    lines = [
        title,
        f"  serves now  {returns}",
        f"  to send     {format_bytes(plan.cargo.sent_bytes)}; it needs {format_bytes(plan.cargo.need_bytes)}, "
        f"{format_bytes(plan.cargo.free_bytes)} are free",
        *(f"  interface   {change}" for change in plan.changes or ()),
        *(f"  {name + ':':11} {text}" for name, _, text in (check.partition(": ") for check in plan.checks)),
        "",
        table(("file", "size", "to send", ""), rows),
    ]
    return plan_document(plan), "\n".join(lines)


def _there(offset: int | None) -> str:
    return "there" if offset is None else "resumes" if offset else ""


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan for `--json`."""
    return {
        "device": plan.address,
        "name": plan.bundle.name,
        "digest": plan.bundle.digest,
        "target": plan.bundle.target,
        "unchanged": plan.same,
        "returns_to": asdict(plan.serving) if plan.serving else None,
        "files": [
            {
                "name": piece.name,
                "sha256": piece.digest,
                "size_bytes": piece.size_bytes,
                "offset": piece.size_bytes if piece.offset is None else piece.offset,
                "send_bytes": piece.sent_bytes,
            }
            for piece in plan.cargo.pieces
        ],
        "send_bytes": plan.cargo.sent_bytes,
        "need_bytes": plan.cargo.need_bytes,
        "free_bytes": plan.cargo.free_bytes,
        "system_runtime": plan.fit.system,
        "signed": plan.fit.envelope is not None,
        "interface_changes": None if plan.changes is None else list(plan.changes),
        "confirm": plan.fit.policy.to_json(),
        "checks": list(plan.checks),
    }


def tell_releases(found: Installed) -> Told:
    """What is installed."""
    document = {
        "releases": [asdict(item) for item in found.releases],
        "watch": asdict(found.watch) if found.watch else None,
    }
    if not found.releases:
        return document, "No release is installed; deploy one first."
    rows = [(item.n, item.name, item.digest[:SHORT], item.state, mark(item), item.why) for item in found.releases]
    lines = [table(("n", "name", "digest", "state", "", "why"), rows)]
    if found.watch:
        watch = found.watch
        waits = f"It waits {watch.waits}" if watch.waits else f"{watch.left_s:.0f} s of its window are left"
        lines.append(f"Release {found.trial} is on trial. {waits}; {watch.good} good and {watch.bad} bad inferences.")
    return document, "\n".join(lines)


def mark(item: Release) -> str:
    """What a release is for."""
    return "serves" if item.serving else "previous" if item.previous else ""


def tell_rolled_back(done: RolledBack, address: str) -> Told:
    """What serves after going back."""
    now, before = done.now, done.before
    document = {
        "device": address,
        "n": now.n,
        "name": now.name,
        "digest": now.digest,
        "before": asdict(before) if before else None,
    }
    instead = f" instead of {before}" if before else ""
    return document, f"Release {now.n} ({now.name}, {now.digest[:SHORT]}) serves again{instead}."


def tell_verified(found: Verified, address: str) -> Told:
    """What is sound and what is damaged."""
    document = {"device": address, **verified_document(found)}
    if not found.releases:
        return document, "No release is installed; deploy one first."
    lines = [table(VERIFIED_HEAD, [verified_cells(item) for item in found.releases])]
    if found.golden:
        golden = found.golden
        lines.append(
            f"Golden vectors: {golden['vectors']} match, off by {golden['worst']:g} output step(s), "
            f"tolerance {golden['tolerance']}; {golden['runtime']}."
        )
    return document, "\n".join([*lines, *needed_lines(found)])


def verified_document(found: Verified) -> dict[str, Any]:
    """The releases with what was found, and whether all that is needed is sound."""
    return {
        "sound": not found.damaged,
        "releases": [
            {
                **asdict(item.release),
                "sound": item.sound,
                "needed": item.needed,
                "damage": "" if item.sound else item.why,
                "signed": None if item.signed is None else list(item.signed),
                "unsigned": item.why if item.sound else "",
            }
            for item in found.releases
        ],
        "golden": found.golden or None,
    }


def verified_cells(item: Checked) -> Sequence[Any]:
    """One line of the table."""
    release = item.release
    words = {True: "sound", False: "damaged", None: "not looked at"}
    cells = (release.n, release.name, release.digest[:SHORT], release.state, mark(release))
    return (*cells, words[item.sound] + _signed(item), item.why or release.why)


def _signed(item: Checked) -> str:
    if item.signed is None:
        return ""
    return f", signed by {', '.join(key[:SHORT] for key in item.signed)}" if item.signed else ", signatures not judged"


def needed_lines(found: Verified) -> list[str]:
    """What to do about damage, a line for each release that is needed, and about a lack of signatures and of keys."""
    lines = [
        f"Release {item.release.n} is damaged, and it {'serves' if item.release.serving else 'is what to go back to'}: "
        f"{'deploy the bundle again' if item.release.serving else 'deploy once more to have another'}."
        for item in found.damaged
    ]
    if any(item.release.serving and item.sound and item.why for item in found.releases):
        lines.append("What serves is not signed as the device asks; sign its bundle and deploy it again: it serves on.")
    if any(item.signed == () for item in found.releases):
        lines.append("The device has no keys to judge signatures by; 'edgeq keys provision' gives it some.")
    return lines


def tell_confirmed(release: Release, address: str) -> Told:
    """After `edgeq confirm`."""
    return {"device": address, **asdict(release)}, f"Release {release.n} ({release.name}) is confirmed on {address}."


def tell_rejected(release: Release, serving: Release | None, address: str) -> Told:
    """After `edgeq confirm --reject`."""
    document = {"device": address, "rejected": asdict(release), "serving": asdict(serving) if serving else None}
    now = f"{serving} serves" if serving else "nothing serves now"
    return document, f"Release {release.n} ({release.name}) is {release.state} on {address}; {now}."
