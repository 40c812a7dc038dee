"""Worker processes: whatever TensorFlow prints or breaks stays in one, and comes back as one clear sentence.

A worker is `python -m MODULE FOLDER FD`, started by `edgeq.quantize.launch`: it finds its job in FOLDER and leaves its
results there, or an `error.json` (kind, message, hint), and writes one line per stage to the pipe FD.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import edgeq
from edgeq import errors
from edgeq.errors import ConvertError, EdgeqError
from edgeq.host.paths import home

Progress = Callable[[str], None]
CrashHint = Callable[[Path], str]


@contextmanager
def work_folder(what: str) -> Iterator[Path]:
    """A temporary folder for one piece of work; `ConvertError` where it cannot be used (full, read-only)."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgeq-") as name:
            yield Path(name)
    except OSError as error:
        raise ConvertError(
            f"{what} cannot use the folder for temporary files ({tempfile.gettempdir()}): {error.strerror}.",
            "Free some space there, or set TMPDIR to another folder.",
        ) from error


def run_worker(
    module: str,
    folder: Path,
    what: str,
    progress: Progress,
    timeout_s: float,
    crash_hint: CrashHint = lambda _: "",
) -> None:
    """Run one worker over `folder` to its end. `what` names the work in messages ("The conversion").

    The error that the worker left, or `ConvertError` for a crash, a failure without words, or the deadline;
    `crash_hint` looks at the folder after a crash.
    """
    stages = _Stages(progress)
    code = _run(module, folder, what, stages, timeout_s)
    if code != 0:
        raise _failure(folder, what, code, stages.last, crash_hint)


class _Stages:
    """Turns the worker's bytes into lines for `progress`, and remembers the last one."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._rest, self.last = progress, b"", "starting"

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.last = line.decode("utf-8", "replace")
            self._progress(self.last)


def _run(module: str, folder: Path, what: str, stages: _Stages, timeout_s: float) -> int:
    """Run the worker to its end; its exit code. `ConvertError` when the deadline passes."""
    deadline = time.monotonic() + timeout_s
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeq.quantize.launch", module, str(folder)],
            cwd=folder,
            env=worker_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        _follow(process, stages, deadline)
        return process.wait(max(0.1, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise ConvertError(
            f"{what} did not end within {timeout_s:.0f} s; it was at: {stages.last}.",
            "Use fewer calibration samples (--samples), or a faster machine.",
        ) from error
    finally:
        _end(process)


def _follow(process: subprocess.Popen[bytes], stages: _Stages, deadline: float) -> None:
    """Feed `stages` until the worker closes its end of the pipe. A thread reads: pipes cannot be waited for elsewhere
    than on POSIX systems."""
    pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process, pieces), daemon=True).start()
    while True:
        try:
            data = pieces.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if not data:
            return
        stages.feed(data)


def _pump(process: subprocess.Popen[bytes], pieces: queue.SimpleQueue[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        while data := os.read(stream.fileno(), 4096):
            pieces.put(data)
    pieces.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(30)


def worker_environment() -> dict[str, str]:
    """What a worker runs in: quiet, on the CPU, with the one set of kernels that gives the same bytes everywhere."""
    package = str(Path(edgeq.__file__).resolve().parent.parent)
    search = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(search),
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "KERAS_BACKEND": "tensorflow",
    }


def _failure(folder: Path, what: str, code: int, stage: str, crash_hint: CrashHint) -> EdgeqError:
    """What to tell about a worker that ended with `code`; its log is kept."""
    log = _keep_log(folder / "log", what)
    if (folder / "error.json").is_file():
        told = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        kind: type[EdgeqError] = getattr(errors, told["kind"], ConvertError)
        return kind(told["message"], told["hint"] or _see(log))
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "The system may have run out of memory. " if name == "SIGKILL" else ""
        return ConvertError(
            f"{what} crashed ({name}) while {stage}.", f"{memory}{crash_hint(folder)} {_see(log)}".strip()
        )
    lines = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return ConvertError(
        f"{what} failed while {stage}: {lines[-1].strip() if lines else f'exit code {code}'}",
        _see(log),
    )


def _keep_log(log: Path, what: str) -> Path | None:
    """Where the log can be read from now on; None where it cannot be kept."""
    kept = home() / "logs" / f"{what.split()[-1]}.log"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(log.read_bytes())
    except OSError:
        return None
    return kept


def _see(log: Path | None) -> str:
    return f"What TensorFlow said is in {log}." if log else ""
