"""What a recipe hands to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.emulate.userlands import Userland


@dataclass(frozen=True)
class Seat:
    """Where one start happens: the device, the instance's folder, rootfs, port on 127.0.0.1, and the marker of its
    processes."""

    userland: Userland
    folder: Path
    rootfs: Path
    port: int
    cookie: str


@dataclass(frozen=True)
class Plan:
    """`powerdown` is a line for the command's standard input that ends it within `grace_s`; "" kills at once."""

    command: tuple[str, ...]
    emulated: str
    """First line of the guest's /etc/edgeq-emulated."""
    banner_timeout_s: float
    powerdown: str = ""
    grace_s: float = 0.0
