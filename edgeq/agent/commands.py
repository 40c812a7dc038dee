"""The commands of a confirm policy, `on_activate` and `health`: a list of arguments, no shell, a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from edgeq.agent.errors import Refused
from edgeq.agent.process import how_it_ended
from edgeq.protocol.status import Status

LONGEST_REASON = 300
MOST_OUTPUT_BYTES = 1 << 20
FIRST_POLL_S, LAST_POLL_S = 0.002, 0.05


def environment(folder: Path, n: int, name: str, previous: int | None) -> dict[str, str]:
    """What a command is told: the release's folder, number and name, and the number that a failure goes back to."""
    return {
        "EDGEQ_RELEASE": str(folder),
        "EDGEQ_N": str(n),
        "EDGEQ_NAME": name,
        "EDGEQ_PREVIOUS": "" if previous is None else str(previous),
    }


def run(what: str, argv: Sequence[str], timeout_s: float, variables: Mapping[str, str]) -> None:
    """Run `argv` in a session of its own; GATE, with the last line that it printed, unless it ends with 0 in time.

    At the deadline it is killed with all that it started. What it leaves running after a good end stays: that is how
    an application is started anew. Such a program should not print to what it inherits, an unnamed file.
    """
    # A file and no pipe: whoever is left running may hold it open, and is not waited for.
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **variables},
            )
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise _refusal(f"{what} ({argv[0]}) does not start: {said}") from error
        code = _wait(child, output, time.monotonic() + timeout_s)
        if code is None:
            too_much = output.seek(0, 2) > MOST_OUTPUT_BYTES
            how = "printed more than a megabyte" if too_much else f"did not end within {timeout_s:g} s"
            raise _refusal(f"{what} {how} and was killed{_last_line(output)}")
        if code:
            raise _refusal(f"{what} {how_it_ended(code)}{_last_line(output)}")


def _wait(child: subprocess.Popen[bytes], output: IO[bytes], deadline: float) -> int | None:
    """The exit code; None where it took too long or printed too much, and was killed with its group."""
    pause = FIRST_POLL_S
    while child.poll() is None:
        if time.monotonic() > deadline or os.fstat(output.fileno()).st_size > MOST_OUTPUT_BYTES:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return None
        time.sleep(pause)
        pause = min(2 * pause, LAST_POLL_S)
    return child.returncode


def _refusal(reason: str) -> Refused:
    return Refused(Status.GATE, reason[:LONGEST_REASON])


def _last_line(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, 2) - 4096))
    lines = [line for line in output.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return ": " + "".join(c if c.isprintable() else " " for c in lines[-1].strip()) if lines else ""
