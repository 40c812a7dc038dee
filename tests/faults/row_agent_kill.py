"""The agent is killed at every call that changes its store: putting blobs, staging, pruning, activating, rolling back,
starting after a kill in the middle of a trial, and in the first deploy of all."""

from __future__ import annotations

from fault_lab import Lab, expect
from fault_table import Row
from strace_daemon import digests, points, trace

CERTAIN = ("fsync", "rename", "link", "mkdir", "symlink")
"""Calls that nobody but the agent's own threads makes, and always as often."""


def case(lab: Lab, number: int) -> None:
    point = points(lab)[number]
    run = trace(lab, point.phase, f"{point.call}:signal=KILL:when={point.when}")
    try:
        assert run.died or run.error is None, f"the agent lives, and says {run.error}"
        assert run.died or point.call not in CERTAIN, f"the agent came not to {point}"
    finally:
        run.daemon.end()
    expect(run.root, lab, run.acked, digests(lab, point.phase))


ROW = Row(
    name="agent-kill",
    what="agent killed at every call that changes its store (strace)",
    cases=lambda lab: len(points(lab)),
    case=case,
    reduced=28,
)
