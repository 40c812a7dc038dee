"""Converts a model to int8 in a worker process, so that whatever TensorFlow prints or breaks stays there."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgeq
from edgeq import errors
from edgeq.errors import ConvertError, EdgeqError, UsageError
from edgeq.model.tflite import read_model
from edgeq.paths import home

Progress = Callable[[str], None]

SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")
IO_TYPES = ("int8", "float32")
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Converted:
    """The bytes of both `.tflite` models."""

    float_model: bytes
    model: bytes


def convert(
    model: Path,
    samples: NDArray[Any],
    *,
    io: str = "int8",
    timeout_s: float = TIMEOUT_S,
    progress: Progress = lambda _: None,
) -> Converted:
    """Model file or SavedModel folder -> float `.tflite` -> int8 `.tflite`, calibrated on `samples` (n, ...).

    `UsageError` for what the caller can correct, `ConvertError` in one sentence for what went wrong in the worker.
    """
    _check(model, io)
    try:
        with tempfile.TemporaryDirectory(prefix="edgeq-convert-") as name:
            folder = Path(name)
            np.save(folder / "samples.npy", samples, allow_pickle=False)
            (folder / "job.json").write_text(json.dumps({"model": str(model.resolve()), "io": io}), encoding="utf-8")
            stages = _Stages(progress)
            code = _run(folder, stages, timeout_s)
            if code != 0:
                raise _failure(folder, code, stages.last)
            return Converted((folder / "float.tflite").read_bytes(), (folder / "model.tflite").read_bytes())
    except OSError as error:
        raise ConvertError(
            f"The conversion cannot use the folder for temporary files ({tempfile.gettempdir()}): {error.strerror}.",
            "Free some space there, or set TMPDIR to another folder.",
        ) from error


def _check(model: Path, io: str) -> None:
    if io not in IO_TYPES:
        raise UsageError(f"Inputs and outputs cannot be '{io}'.", f"Use one of {', '.join(IO_TYPES)}.")
    if not model.exists():
        raise UsageError(f"The model '{model}' does not exist.", "Give a .keras or .h5 file, or a SavedModel folder.")
    saved = model.is_dir() and any((model / f"saved_model.{suffix}").is_file() for suffix in ("pb", "pbtxt"))
    if not saved and (model.is_dir() or model.suffix not in SUFFIXES):
        what = "is not a SavedModel folder" if model.is_dir() else f"is of no kind that edgeq reads ({model.suffix})"
        raise UsageError(
            f"The model '{model}' {what}.", f"Give a file ending in {', '.join(SUFFIXES)}, or a SavedModel."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise UsageError("Converting a model needs TensorFlow, which is not installed.", "pip install 'edgeq[convert]'")


class _Stages:
    """Turns the worker's bytes into lines for `progress`, and remembers the last one."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._rest, self.last = progress, b"", "starting"

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.last = line.decode("utf-8", "replace")
            self._progress(self.last)


def _run(folder: Path, stages: _Stages, timeout_s: float) -> int:
    """Run the worker to its end; its exit code. `ConvertError` when the deadline passes."""
    deadline = time.monotonic() + timeout_s
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "edgeq.quantize.worker", str(folder), str(writer)]
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
                start_new_session=True,
            )
        os.close(writer)
        writer = -1
        try:
            _follow(reader, stages, deadline)
            return process.wait(max(0.1, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise ConvertError(
                f"The conversion did not end within {timeout_s:.0f} s; it was at: {stages.last}.",
                "Use fewer calibration samples (--samples), or a faster machine.",
            ) from error
        finally:
            _end(process)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _follow(reader: int, stages: _Stages, deadline: float) -> None:
    """Feed `stages` until the worker closes its end of the pipe."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            raise TimeoutError
        data = os.read(reader, 4096)
        if not data:
            return
        stages.feed(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _environment() -> dict[str, str]:
    """The worker's: quiet, on the CPU, with the one set of kernels that gives the same bytes everywhere."""
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


def _failure(folder: Path, code: int, stage: str) -> EdgeqError:
    """What to tell about a worker that ended with `code`; its log is kept."""
    log = _keep_log(folder / "log")
    if (folder / "error.json").is_file():
        told = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        kind: type[EdgeqError] = getattr(errors, told["kind"], ConvertError)
        return kind(told["message"], told["hint"] or _see(log))
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "The system may have run out of memory. " if name == "SIGKILL" else ""
        return ConvertError(
            f"The conversion crashed ({name}) while {stage}.", f"{memory}{_crash_hint(folder)} {_see(log)}"
        )
    lines = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return ConvertError(
        f"The conversion failed while {stage}: {lines[-1].strip() if lines else f'exit code {code}'}",
        _see(log),
    )


def _crash_hint(folder: Path) -> str:
    path = folder / "float.tflite"
    if path.is_file() and "WHILE" in read_model(path.read_bytes()).op_counts():
        return "The model has a loop, as LSTM and GRU layers make it: give the layer unroll=True, or use another."
    return "Some layers crash TensorFlow's quantizer: replace them one by one."


def _keep_log(log: Path) -> Path | None:
    """Where the log can be read from now on; None where it cannot be kept."""
    kept = home() / "logs" / "convert.log"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(log.read_bytes())
    except OSError:
        return None
    return kept


def _see(log: Path | None) -> str:
    return f"What TensorFlow said is in {log}." if log else ""
