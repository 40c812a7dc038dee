"""What `edgeq-agent apply` says: errors with what to do next, what serves. The words of the
command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeq.agent.eqb import EqbError
from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status

CONFIRMED, TRIAL, BAD, STAGED = "confirmed", "trial", "bad", "staged"
USAGE, LINK, DEVICE, ARTIFACT, GATE = 2, 4, 5, 6, 1
"""Exit codes, those of the command line."""


class ApplyError(Exception):
    """What ended it: a sentence, a hint, the exit code, and what `--json` says beside these."""

    def __init__(self, message: str, hint: str = "", exit_code: int = DEVICE) -> None:
        super().__init__(message)
        self.message, self.hint, self.exit_code = message, hint, exit_code
        self.facts: dict[str, Any] = {}

    def to_json(self) -> dict[str, Any]:
        return {"message": self.message, "hint": self.hint, "exit_code": self.exit_code, **self.facts}


@dataclass(frozen=True)
class Applied:
    """What serves afterwards, as `edgeq.deploy.Deployed` has it."""

    n: int
    digest: str
    previous: int | None
    changed: bool
    sent_bytes: int
    golden: dict[str, Any] = field(default_factory=dict)
    state: str = CONFIRMED
    signed: bool = False


_LOOK = "'edgeq-agent status' shows what serves."
_HINTS = {
    Status.NO_SPACE: "Free some space on the device, then apply it again.",
    Status.DIGEST: "Apply it again: what was damaged is taken anew.",
    Status.SIGNATURE: "'edgeq sign' signs the bundle with a key that the device knows; then pack it again.",
    Status.MISMATCH: "Build and pack for this device: 'edgeq targets' lists the profiles.",
    Status.NOT_FOUND: "Pack it with its runtime: 'edgeq pack BUNDLE'.",
    Status.SELFTEST: "This device computes something else than the host that built it: build it again.",
    Status.BUSY: "Another command is at work on this device; wait for it, or give --wait SECONDS.",
    Status.IO: "Check the device's storage; XDG_DATA_HOME may name a folder that can be written.",
    Status.INTERFACE: "Change the applications first, then apply it with --allow-interface-change.",
    Status.TIMEOUT: "The model takes too long for this device, or hangs.",
    Status.NEWER: "Apply it with an agent of the version that wrote it.",
}


def tell(applied: Applied, name: str) -> Sequence[str]:
    """What serves, for people."""
    serves = f"{name} ({applied.digest[:12]}) serves on this device as release {applied.n}"
    look = "The device confirms it or goes back by itself; 'edgeq-agent status' shows which."
    if applied.state == TRIAL:
        serves += ", on trial"
    after = [look] if applied.state == TRIAL else []
    if not applied.changed:
        return [f"{serves} {already(applied.signed)}", *after]
    golden = applied.golden
    before = f"; release {applied.previous} is kept for rollback" if applied.previous else ""
    return [
        f"{serves}{before}.",
        f"Golden vectors: {golden['vectors']} match on the device, off by {golden['worst']:g} output step(s), "
        f"tolerance {golden['tolerance']}; {golden['runtime']}.",
        *([f"Gate: an inference takes {golden['latency_ms']:.3g} ms."] if "latency_ms" in golden else []),
        *after,
    ]


def already(signed: bool) -> str:
    """The end of that sentence where it served before; `signed` where the bundle's signatures are there now."""
    return f"already{', with the signatures of the bundle; nothing else' if signed else '; nothing'} was changed."


def document(applied: Applied, name: str, root: Path) -> dict[str, Any]:
    """What `--json` prints."""
    return {"device": str(root), "name": name, **asdict(applied)}


def release(item: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A release for `--json`."""
    return None if item is None else {"n": item["n"], "digest": item["sha"].hex(), "name": item["name"]}


def words(item: Mapping[str, Any]) -> str:
    """A release in a sentence."""
    return f"release {item['n']} ({item['name']}, {item['sha'].hex()[:12]})"


def failure(error: Exception) -> ApplyError:
    """What a refusal, a damaged file or a daemon that is gone mean to a person."""
    if isinstance(error, ApplyError):
        return error
    if isinstance(error, Refused):
        return ApplyError(f"This device says no: {error.reason.rstrip('.')}.", _HINTS.get(error.status, _LOOK))
    if isinstance(error, EqbError):
        return ApplyError(f"The file is damaged: {error.reason}.", "Copy it again, or pack it again.", ARTIFACT)
    said = str(error)
    return ApplyError(f"{said[:1].upper()}{said[1:]}.", "Run it again: it goes on where it can.", LINK)
