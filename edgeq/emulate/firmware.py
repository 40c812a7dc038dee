"""Where the firmware of an emulated board lies."""

from __future__ import annotations

import os
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.host.paths import home

VARIABLE = "EDGEQ_FIRMWARE"


def firmware_elf(name: str) -> Path:
    """The ELF file for the board `name`: the file that EDGEQ_FIRMWARE names, or what `edgeq firmware build` made."""
    override = os.environ.get(VARIABLE)
    path = Path(override) if override else home() / "firmware" / name / "firmware.elf"
    if path.is_file():
        return path
    raise UsageError(
        f"There is no firmware for {name}: {path} does not exist.",
        f"{VARIABLE} names another file." if override else f"Build it: edgeq firmware build --target {name}",
    )
