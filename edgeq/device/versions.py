"""How far the versions of a host and of an installed agent may differ: two minor versions, either way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import edgeq
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status

PROTOCOL = 1
MOST_MINOR = 2


def near(one: str, other: str) -> bool:
    """Whether two versions ("1.4.2") understand each other: the same major one, minor ones at most two apart."""
    first, second = _two(one), _two(other)
    if first is None or second is None:
        return False
    return first[0] == second[0] and abs(first[1] - second[1]) <= MOST_MINOR


def require_near(address: str, facts: Mapping[str, Any], host: str = "") -> None:
    """`DeviceError` where the agent that says `facts` is too old or too new for `host`, by default this edgeq."""
    agent, host = str(facts.get("agent") or "?"), host or edgeq.__version__
    if facts.get("protocol") == PROTOCOL and near(agent, host):
        return
    raise DeviceError(
        f"The agent that is installed on {address} is edgeq {agent}, and this is {host}: more than two minor versions "
        "lie between them.",
        f"'edgeq agent update {address}' puts this one on trial there; or use an edgeq nearer to {agent}.",
        Status.NEWER,
    )


def _two(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None
