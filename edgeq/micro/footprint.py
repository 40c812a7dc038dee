"""What a planned model takes on a board, and what a manifest tells of its plan."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from edgeq.fit import Footprint
from edgeq.host.paths import shipped
from edgeq.micro.compile import Compiled
from edgeq.micro.pack import PACKING

SIZES = "sizes.json"
"""Beside a port's sources, written by `make size`: what the compiler and a painted stack say of its firmware."""


def footprint(planned: Compiled, port: str) -> Footprint:
    """Bytes on a board whose firmware is built from `port`."""
    return footprint_of(planned.arena.bytes, len(planned.image()), port)


def footprint_of(arena_bytes: int, image_bytes: int, port: str) -> Footprint:
    """The same of a plan of which no more is known; where nothing was measured on the port, the largest firmware that
    was measured stands for it."""
    measured = _measured()
    name = port if port in measured else max(measured, key=lambda each: measured[each].get("flash_bytes", 0))
    sizes = measured[name]
    return Footprint(
        arena_bytes,
        image_bytes,
        int(sizes.get("runtime_data_bytes", 0)) + int(sizes.get("runtime_stack_bytes", 0)),
        int(sizes.get("flash_bytes", 0)),
        name,
    )


@cache
def _measured() -> dict[str, dict[str, Any]]:
    """The sizes that ports have, by the port's name."""
    paths = (shipped("firmware_stubs") / "ports").glob(f"*/{SIZES}")
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def told(planned: Compiled) -> dict[str, Any]:
    """The `plan` of a manifest (docs/bundle.md); `arena_bound_bytes` is the least that any layout could take."""
    arena = planned.arena
    return {
        "abi": planned.abi,
        "packing": PACKING,
        "arena_bytes": arena.bytes,
        "arena_bound_bytes": arena.bound,
        "state_bytes": arena.state_bytes,
        "kernels": sorted({op.name for op in planned.plan.ops}),
        "records": len(planned.plan.ops),
    }
