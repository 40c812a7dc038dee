"""A worker for work on one float model: `python -m edgeq.quantize.task FOLDER FD`, started by `in_worker`.

A task is a function of this package, named `module:function`, that gets a `Job` and returns what JSON can hold; files
that it leaves in the job's folder are its results too. A crash of the runtime ends as one sentence.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.quantize.process import Progress, run_worker, work_folder
from edgeq.quantize.samples import Samples, store, stored
from edgeq.quantize.served import serve, tell

TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Job:
    """What a task works on; `options` are its own."""

    model: bytes
    samples: Samples
    options: Mapping[str, Any]
    folder: Path
    progress: Progress


Task = Callable[[Job], Any]


def in_worker(
    task: Task,
    what: str,
    model: bytes,
    samples: Samples,
    options: Mapping[str, Any],
    progress: Progress = lambda _: None,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """What `task` returns, from a process of its own; `what` names the work in messages ("The search").

    The error that the task raised, or `ConvertError` for a crash or the deadline.
    """
    with work_folder(what) as folder:
        (folder / "model.tflite").write_bytes(model)
        store(samples, folder)
        job = {"task": f"{task.__module__}:{task.__qualname__}", "names": list(samples.names), "options": dict(options)}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        run_worker("edgeq.quantize.task", folder, what, progress, timeout_s)
        return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def main(folder: Path, status: int) -> int:
    """Do the job in `folder`; exit code 0, or 1 where `error.json` says what went wrong."""
    return serve(folder, partial(_work, folder, status))


def _work(folder: Path, status: int) -> None:
    told = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    module, _, name = told["task"].partition(":")
    task: Task = getattr(importlib.import_module(module), name)
    model, samples = (folder / "model.tflite").read_bytes(), stored(folder, told["names"])
    found = task(Job(model, samples, told["options"], folder, partial(tell, status)))
    (folder / "result.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
