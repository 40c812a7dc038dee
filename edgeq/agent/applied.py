"""What `edgeq-agent apply` says of what serves. The words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeq.transaction.releases import TRIAL
from edgeq.transaction.transaction import Deployed

SHOWS = "'edgeq-agent status'"
"""What tells on the device what serves; the host tells of applied bundles, too, so nothing here needs Linux."""


def tell(done: Deployed, name: str) -> Sequence[str]:
    """What serves, for people."""
    serves = f"{name} ({done.digest[:12]}) serves on this device as release {done.n}"
    look = f"The device confirms it or goes back by itself; {SHOWS} shows which."
    if done.state == TRIAL:
        serves += ", on trial"
    after = [look] if done.state == TRIAL else []
    if not done.changed:
        return [f"{serves} {already(done.signed)}", *after]
    golden = done.golden
    before = f"; release {done.previous} is kept for rollback" if done.previous else ""
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


def document(done: Deployed, name: str, root: Path) -> dict[str, Any]:
    """What `--json` prints."""
    return {"device": str(root), "name": name, **asdict(done)}
