"""Work that takes longer than a request may: started by one request, watched by others."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

from edgeq.agent.errors import Refused
from edgeq.agent.files import refusal
from edgeq.protocol.status import Status

Note = Callable[[str], None]
KEPT = 16
POLL_SAMPLES = 4000
POLL_TIMED = 3000
POLL_READINGS = 20
LONGEST_TEXT = 1000


class Job:
    """`note` says what is being done; `samples` grow while it runs; `result` or `refused` at the end.

    A bench has `gaps`, too (nanoseconds from the end of the sample before to the beginning of each), and `trace`, the
    readings taken meanwhile; `stopping` is set by a host that has enough, `asked` is when one asked last.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.text = ""
        self.samples: list[int] = []
        self.gaps: list[int] = []
        self.last_ns = 0
        self.trace: list[dict[str, Any]] = []
        self.stopping = False
        self.asked = time.monotonic()
        self.result: dict[str, Any] | None = None
        self.refused: Refused | None = None
        self.finished = threading.Event()

    def note(self, text: str) -> None:
        self.text = text

    def poll(self, start: int, timed: bool = False, seen: int | None = None) -> dict[str, Any]:
        """State, text, and the samples from `start` on, with their gaps if `timed`, and the readings behind the first
        `seen`; the result once everything has been handed out."""
        self.asked = time.monotonic()
        done = self.finished.is_set()
        samples = self.samples[start : start + (POLL_TIMED if timed else POLL_SAMPLES)]
        answer: dict[str, Any] = {"state": "running", "note": _told(self.text), "samples": samples}
        left = start + len(samples) < len(self.samples)
        if timed:
            answer["gaps"] = self.gaps[start : start + len(samples)]
        if seen is not None:
            answer["trace"] = self.trace[seen : seen + POLL_READINGS]
            left = left or seen + len(answer["trace"]) < len(self.trace)
        if not done or left:
            return answer
        if self.refused is not None:
            refused = {"status": int(self.refused.status), "reason": _told(self.refused.reason)}
            return {**answer, "state": "failed", **refused}
        return {**answer, "state": "done", "result": self.result or {}}


def _told(text: str) -> str:
    """What fits into an answer, and is text there: a reason may repeat what came from outside."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()


class Jobs:
    """One job at a time: a second one is refused as long as the first runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._next = 1

    @property
    def busy(self) -> bool:
        # A copy: others add and drop meanwhile.
        return any(not job.finished.is_set() for job in list(self._jobs.values()))

    def start(self, work: Callable[[Job], dict[str, Any]]) -> Job:
        """Run `work` in a thread of its own."""
        with self._lock:
            running = next((job.text for job in self._jobs.values() if not job.finished.is_set()), None)
            if running is not None:
                doing = f" ({running})" if running else ""
                raise Refused(Status.BUSY, f"the device is busy with another job{doing}; try again when it is done")
            job = Job(self._next)
            try:
                threading.Thread(target=self._run, args=(job, work), name=f"job-{job.number}", daemon=True).start()
            except RuntimeError as error:
                raise Refused(Status.BUSY, f"the device can start nothing more now: {error}") from error
            self._next += 1  # Counted once it has begun: one that never did must not keep all others out for ever.
            self._jobs[job.number] = job
            for number in sorted(self._jobs)[:-KEPT]:
                del self._jobs[number]
        return job

    def get(self, number: int) -> Job:
        try:
            return self._jobs[number]
        except KeyError:
            raise Refused(Status.NOT_FOUND, f"there is no job {number}") from None

    @staticmethod
    def _run(job: Job, work: Callable[[Job], dict[str, Any]]) -> None:
        try:
            job.result = work(job)
        except Refused as refused:
            job.refused = refused
        except OSError as error:
            job.refused = refusal(error)
        except Exception as error:
            # The daemon must outlive any mistake in one job; the host hears what it was.
            job.refused = Refused(Status.UNKNOWN, f"{type(error).__name__}: {error}"[:500])
        finally:
            job.finished.set()
