"""What a device answers when it says no; numbers as in the firmware's `enum eq_status`, without the sign."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """`rc` of group 64's errors. Numbers are never redefined."""

    OK = 0
    UNKNOWN = 1
    """Something failed that has no number of its own; the reason text says what."""
    INVALID = 2
    """The request is malformed or out of range."""
    NOT_FOUND = 3
    """No such release, blob or job."""
    NO_SPACE = 4
    DIGEST = 5
    """Bytes do not have the SHA-256 that was promised."""
    SIGNATURE = 6
    MISMATCH = 7
    """Built for another architecture, runtime or target."""
    SELFTEST = 8
    """The golden vectors do not match."""
    BUSY = 9
    IO = 10
    """The device's storage failed (I/O error, read-only file system)."""
    RUNTIME = 11
    """The model could not be loaded or its process ended."""
    UNSUPPORTED = 12
    TIMEOUT = 13
    STATE = 14
    """Not possible in the present state (nothing active, nothing to go back to)."""
    INTERFACE = 15
    """The interface differs from the active release's."""
    NEWER = 16
    """The document has a newer schema than the device knows."""
    GATE = 17
    """The release does not meet its confirm policy on this device: too slow, too large, or a command of it failed."""
