"""The loaded models: the one that serves, changed without a failed request, and others for as long as they are used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from edgeq.agent.errors import Ending, Refused
from edgeq.agent.process import ModelProcess
from edgeq.protocol.status import Status

LINGER_S = 5.0
"""How long a model stays loaded that does not serve, after the last request for it."""
LEAVE_S = 1.0
"""How long an agent that ends waits for a request to notice that its model's process is gone."""


class _Loaded:
    """One release's process, loaded by the first request; `turn` lets one request at a time talk to it."""

    def __init__(self, n: int) -> None:
        self.n, self.users, self.uses, self.over = n, 0, 0, False
        self.turn = threading.Lock()
        self._process: ModelProcess | None = None

    @property
    def here(self) -> bool:
        process = self._process
        return process is not None and process.alive

    def process(self, opened: Callable[[int], ModelProcess]) -> ModelProcess:
        """The running process; whoever asks has the turn."""
        if not self.here and not self.over:
            self.close()
            self._process = opened(self.n)
        if self.over:  # The agent ended while one waited for the turn, or while the model was being loaded.
            self.close()
            raise Ending(Status.STATE, "the agent is ending")
        assert self._process is not None
        return self._process

    def leave(self) -> None:
        """For good, and whatever it does just now: who has the turn finds its process gone."""
        self.over = True
        process = self._process
        if process is not None:
            process.end()
        if self.turn.acquire(timeout=LEAVE_S):  # Else it is being loaded, and closed by who loads it.
            try:
                self.close()
            finally:
                self.turn.release()

    def close(self) -> None:
        """By whoever has the turn, or where nobody uses it."""
        if self._process is not None:
            self._process.close()
            self._process = None


class Serving:
    """`number` is the release that a request without a number is answered by; None where nothing serves."""

    def __init__(self, opened: Callable[[int], ModelProcess], number: int | None) -> None:
        self._opened = opened
        self._guard = threading.Lock()
        self._all: dict[int, _Loaded] = {}
        self._over = False
        self.number = number

    def ask(self, n: int, timeout_s: float, **request: Any) -> dict[str, Any]:
        """One request to the model of release `n`; after any failure but a wrong input its process is begun anew."""
        with self._used(n) as loaded, loaded.turn:
            try:
                return loaded.process(self._opened).ask(timeout_s, **request)
            except Refused as refused:
                if loaded.over:  # Its process was ended with the agent, in the middle of the answer.
                    raise Ending(Status.STATE, "the agent is ending") from refused
                if refused.status != Status.INVALID:  # A wrong input says nothing against the model's process.
                    loaded.close()
                raise

    @contextmanager
    def reserved(self, n: int) -> Iterator[ModelProcess]:
        """The process of release `n` for oneself, loaded beside the one that serves. Any failure ends it."""
        with self._used(n) as loaded, loaded.turn:
            try:
                yield loaded.process(self._opened)
            except BaseException:
                loaded.close()
                raise

    @property
    def warm(self) -> bool:
        """Whether the model that serves is loaded: whether applications get their inferences from here."""
        return self._is_here(self.number)

    def _is_here(self, n: int | None) -> bool:
        loaded = self._all.get(n) if n is not None else None
        return loaded is not None and loaded.here

    def swap(self, n: int | None, warm: bool | None = None) -> None:
        """From now on `n` serves. Where a model was loaded (or `warm` says so), that of `n` is loaded before; requests
        under way finish on the one they began with. One that does not load is tried again by the next request."""
        warm = self.warm if warm is None else warm
        if n is not None and warm and not self._is_here(n):
            try:
                with self.reserved(n):
                    pass
            except (Refused, OSError):
                pass
        with self._guard:
            self.number = n
            idle = [loaded for loaded in self._all.values() if not loaded.users and (loaded.n != n or not warm)]
            # An application may have learned a moment ago that the other one serves, and be about to ask it.
            lingering = [loaded for loaded in idle if warm and loaded.here]
            ended = [loaded for loaded in idle if loaded not in lingering]
            for loaded in ended:
                del self._all[loaded.n]
        for loaded in ended:
            loaded.close()
        for loaded in lingering:
            self._linger(loaded)

    @contextmanager
    def _used(self, n: int) -> Iterator[_Loaded]:
        with self._guard:
            if self._over:
                raise Ending(Status.STATE, "the agent is ending")
            loaded = self._all.setdefault(n, _Loaded(n))
            loaded.users += 1
            loaded.uses += 1
        try:
            yield loaded
        finally:
            with self._guard:
                loaded.users -= 1
                over = not loaded.users and n != self.number
            if over:
                self._linger(loaded)

    def _linger(self, loaded: _Loaded) -> None:
        timer = threading.Timer(LINGER_S, self._let_go, (loaded, loaded.uses))
        timer.daemon = True
        timer.start()

    def _let_go(self, loaded: _Loaded, uses: int) -> None:
        with self._guard:
            over = not loaded.users and loaded.uses == uses and loaded.n != self.number
            if not over or self._all.get(loaded.n) is not loaded:
                return
            del self._all[loaded.n]
        loaded.close()

    def close(self) -> None:
        """End every process for good, also those that are answering or are being loaded."""
        with self._guard:
            self._over = True
            everything = list(self._all.values())
            self._all.clear()
        for loaded in everything:
            loaded.leave()
