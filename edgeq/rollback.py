"""The verb `rollback`: the release that served before serves again."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import EdgeqError
from edgeq.transaction.aftermath import tell_serving


@dataclass(frozen=True)
class RolledBack:
    """What serves now, and what served before."""

    now: Release
    before: Release | None


def rollback(device: Device, progress: Progress = silent) -> RolledBack:
    """Go back; an error says what serves."""
    installed = device.installed()
    before = installed.serving
    back = installed.find(installed.current if installed.trial is not None else installed.previous)
    try:
        if before and back:
            progress(f"from {before} to {back}")
        n = device.rollback(progress)
        now = device.installed().find(n)
        assert now is not None
    except EdgeqError as error:
        tell_serving(error, device, before)
        raise
    return RolledBack(now, before)
