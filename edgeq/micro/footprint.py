"""What a planned model takes on a board, and what a manifest tells of its plan."""

from __future__ import annotations

import json
from typing import Any

from edgeq.fit import Footprint
from edgeq.micro.compile import Compiled
from edgeq.micro.image import PLAN_ABI
from edgeq.micro.pack import PACKING
from edgeq.paths import shipped

SIZES = "sizes.json"
"""Beside a port's sources, written by `make size`: what the compiler and a painted stack say of its firmware."""


def footprint(planned: Compiled, port: str) -> Footprint:
    """Bytes on a board whose firmware is built from `port`; the firmware's part is 0 where nothing was measured."""
    path = shipped("firmware_stubs") / "ports" / port / SIZES
    sizes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return Footprint(
        planned.arena.bytes,
        len(planned.image()),
        int(sizes.get("runtime_data_bytes", 0)) + int(sizes.get("runtime_stack_bytes", 0)),
        int(sizes.get("flash_bytes", 0)),
    )


def told(planned: Compiled) -> dict[str, Any]:
    """The `plan` of a manifest (docs/bundle.md); `arena_bound_bytes` is the least that any layout could take."""
    arena = planned.arena
    return {
        "abi": PLAN_ABI,
        "packing": PACKING,
        "arena_bytes": arena.bytes,
        "arena_bound_bytes": arena.bound,
        "state_bytes": arena.state_bytes,
        "kernels": sorted({op.name for op in planned.plan.ops}),
        "records": len(planned.plan.ops),
    }
