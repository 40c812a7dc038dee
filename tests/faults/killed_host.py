"""`edgeq` that is killed at one of its messages: before it leaves, when half of it has left, or after it has left and
nobody reads the answer. Repeated questions after a job are one message.

Its process is forked from one that has imported what `edgeq deploy` needs: a start of Python for each case would take
longer than the rest.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from edgeq.link.frames import Frames
from edgeq.protocol import contract, smp

NEEDED = ["edgeq.cli.deploying", "edgeq.deploy", "edgeq.device.open", "edgeq.link.program"]
PATIENCE_S = 120.0


def run(at: int, way: str, folder: Path, home: Path, *arguments: object) -> tuple[int, int, str]:
    """The exit code of `edgeq` with these arguments, which is killed at its message number `at` (at none where it is
    0), how many it sent where it lived, and what it said. `folder` gets files of these."""
    words = [str(word) for word in arguments]
    process = _forked().Process(target=_main, args=(at, way, folder, home, words))
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        raise AssertionError("edgeq does not end")
    code, counted = process.exitcode, folder / "count"
    process.close()
    return code, int(counted.read_text()) if counted.exists() else 0, (folder / "said").read_text()


@cache
def _forked() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(NEEDED)
    return context


def _main(at: int, way: str, folder: Path, home: Path, arguments: list[str]) -> None:
    os.environ["EDGEQ_HOME"] = str(home)
    with (folder / "said").open("wb") as said, Path(os.devnull).open("rb") as nothing:
        for ours, theirs in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(ours.fileno(), theirs)
    counted = _count(at, way)
    from edgeq.cli import main as edgeq

    sys.argv[:] = ["edgeq", *arguments]
    try:
        edgeq()
    finally:
        (folder / "count").write_text(str(counted()))


def _count(at: int, way: str) -> Callable[[], int]:
    """Kill this process at its message; the answer tells how many there were."""
    send, count, last = Frames.send, 0, (0, 0, 0)

    def counting(self: Frames, message: bytes, timeout_s: float) -> int:
        nonlocal count, last
        found = smp.decode(message)
        command = (found.op, found.group, found.command)
        repeated, last = command == last == contract.JOB, command
        count += not repeated
        if count == at and not repeated:
            if way != "before":
                frame = self.framing.encode(message)
                self.link.send(frame[: len(frame) // 2] if way == "half" else frame, timeout_s)
            os.kill(os.getpid(), signal.SIGKILL)
        return send(self, message, timeout_s)

    Frames.send = counting  # type: ignore[method-assign]
    return lambda: count
