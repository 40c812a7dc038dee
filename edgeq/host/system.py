"""What kind of machine this is, and what edgeq cannot do on it. Linux does everything."""

from __future__ import annotations

import sys

from edgeq.errors import UsageError

_NAMES = {"win32": "Windows", "darwin": "macOS"}


def without_linux(what: str) -> str:
    """The sentence that `what` needs Linux; empty on Linux."""
    system = _NAMES.get(sys.platform, sys.platform)
    return "" if system == "linux" else f"{what} needs Linux; this is {system}."


def need_linux(what: str) -> None:
    """`UsageError` on any other system; `what` begins the sentence ("local:", "An emulated board")."""
    if why := without_linux(what):
        raise UsageError(
            why,
            "Use a device over ssh://, serial: or tcp://, or run edgeq in a Linux virtual machine (WSL on Windows).",
        )
