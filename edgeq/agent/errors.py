"""The one exception with which a handler says no."""

from __future__ import annotations

from edgeq.protocol.status import Status


class Refused(Exception):
    """Travels to the host as `{"err": {"group": 64, "rc": status}, "rsn": reason}`."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Ending(Refused):
    """The agent ends: whoever asked is not answered but let go, and asks the next one."""
