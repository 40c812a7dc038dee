"""What a deploy tells while it happens: events, each of one step, for people as lines and for programs as data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PREFLIGHT, HOLD, INTERFACE, STAGE, VERIFY = "preflight", "hold", "interface", "stage", "verify"
SELFTEST, GATES, ACTIVATE, WATCH, CONFIRM = "self-test", "gates", "activate", "watch", "confirm"
STEPS = (PREFLIGHT, HOLD, INTERFACE, STAGE, VERIFY, SELFTEST, GATES, ACTIVATE, WATCH, CONFIRM)
"""In their order. What a device or a bundle has no use for is left out."""

BEGUN, NOTE, DONE, PASSED, FAILED = "begun", "note", "done", "passed over", "failed"
"""The states of an event. A step that is passed over is one that the device does not know."""


@dataclass(frozen=True)
class Event:
    """One thing that happened, `seconds` after the deploy began. `facts` are what the text says, as data."""

    step: str
    state: str
    text: str = ""
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The event as one JSON object."""
        head = {"step": self.step, "state": self.state, "text": self.text, "seconds": round(self.seconds, 3)}
        return {**head, **self.facts}

    @property
    def line(self) -> str:
        """For people; empty where there is nothing to read."""
        return f"{self.step}: {self.text}" if self.text else ""


Tell = Callable[[Event], None]


def unheard(_event: Event) -> None:
    """The events of those who want none."""


class Steps:
    """Tells the events of one deploy, and knows at which step it is."""

    def __init__(self, progress: Callable[[str], None], tell: Tell = unheard) -> None:
        self._progress, self._tell, self._began = progress, tell, time.monotonic()
        self.current, self._open = STEPS[0], False

    @contextmanager
    def step(self, name: str) -> Iterator[Steps]:
        """One step; it is done where its block ends without an error."""
        self.current, self._open = name, True
        self._say(BEGUN)
        yield self
        if self._open:
            self._say(DONE)

    def note(self, text: str, **facts: Any) -> None:
        """What is being done within the step."""
        self._say(NOTE, text, facts)

    def passed(self, text: str) -> None:
        """The step ends here: there is nothing to do."""
        self._say(PASSED, text)
        self._open = False

    def failed(self, text: str, **facts: Any) -> None:
        """The step ends here, and the deploy with it."""
        self._say(FAILED, text, facts)

    def _say(self, state: str, text: str = "", facts: Mapping[str, Any] | None = None) -> None:
        event = Event(self.current, state, text, time.monotonic() - self._began, facts or {})
        self._tell(event)
        if event.line and state != FAILED:  # An error is told by whoever hears it.
            self._progress(event.line)
