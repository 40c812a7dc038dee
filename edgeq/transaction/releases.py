"""The releases of a device as it tells them, and what a transaction asks of the device that holds them.

Read by host and agent alike: Python 3.9 and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

CONFIRMED, TRIAL, BAD, STAGED = "confirmed", "trial", "bad", "staged"
Progress = Callable[[str], None]


def silent(_text: str) -> None:
    """The progress of those who want none."""


@dataclass(frozen=True)
class Release:
    """One release on a device. `serving` is true for the one that applications get; `why` says what made it bad."""

    n: int
    digest: str
    name: str
    state: str
    serving: bool
    previous: bool
    why: str = ""

    def __str__(self) -> str:
        return f"release {self.n} ({self.name}, {self.digest[:12]})"


@dataclass(frozen=True)
class Watched:
    """How far a trial is: inferences that were good and bad, starts of the agent during it, seconds left of its window;
    what it `waits` for, in words, where the device says that."""

    good: int = 0
    bad: int = 0
    starts: int = 0
    left_s: float = 0.0
    waits: str = ""


@dataclass(frozen=True)
class Installed:
    """The releases of a device, oldest first. `current` is the last confirmed one, which serves unless there is a
    trial; `previous` served before it; `watch` is there where the device watches the trial."""

    releases: tuple[Release, ...]
    current: int | None = None
    previous: int | None = None
    trial: int | None = None
    watch: Watched | None = None

    @property
    def serving(self) -> Release | None:
        """The one that applications get."""
        return next((release for release in self.releases if release.serving), None)

    def find(self, n: int | None) -> Release | None:
        """Release `n`, or None where it is not there."""
        return next((release for release in self.releases if release.n == n), None)


def read_installed(answer: Mapping[str, Any]) -> Installed:
    """What the answer to `releases` says."""
    trial, current, previous = answer.get("trial"), answer.get("current"), answer.get("previous")
    serving = current if trial is None else trial
    found = tuple(
        Release(
            item["n"],
            item["sha"].hex(),
            item["name"],
            item["state"],
            item["n"] == serving,
            item["n"] == previous,
            str(item.get("why") or ""),
        )
        for item in answer["releases"]
    )
    return Installed(found, current, previous, trial, _watched(answer.get("watch")))


def _watched(found: Any) -> Watched | None:
    if not isinstance(found, dict):
        return None
    good, bad, starts = (int(found.get(key) or 0) for key in ("good", "bad", "starts"))
    return Watched(good, bad, starts, float(found.get("left_s") or 0.0), str(found.get("waits") or ""))


class Device(Protocol):
    """A device that releases are brought to: as a host sees it over a link, or as it sees itself.

    `DeviceError` where it says no, `LinkError` where it does not answer.
    """

    address: str
    """What it is called in sentences."""
    shows: str
    """The command that shows what serves on it."""
    ends: str
    """The commands that end a trial on it."""

    @property
    def sent_bytes(self) -> int: ...
    @property
    def reopens(self) -> bool: ...
    def reconnect(self) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    def installed(self) -> Installed: ...
    def hold(self, who: str, wait_s: float = 0.0, progress: Progress = silent) -> bool: ...
    def release(self) -> None: ...
    def selftest(self, n: int | None = None, progress: Progress = silent) -> dict[str, Any]: ...
    def activate(self, n: int, progress: Progress = silent) -> dict[str, Any]: ...
    def confirm(self, n: int) -> None: ...
    def rollback(self, progress: Progress = silent) -> int: ...
