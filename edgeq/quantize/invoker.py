"""The process in which a model meets a runtime on this machine: `python -m edgeq.quantize.invoker`.

Whatever a hostile model does there (crash, memory, endless work) ends in one sentence for `edgeq.quantize.sandbox`.
The first message holds the settings as JSON and the model; then every message holds the inputs of one inference.
Answers begin with `ok`, `error` or `unavailable`; behind `ok` are the outputs, behind the others a text.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import BinaryIO

from edgeq import runtime
from edgeq.quantize.pieces import Ended, read_pieces, write_pieces


def main() -> None:
    """Serve until the other side closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    # What the runtime says on its way goes where errors go.
    os.dup2(2, 1)
    with contextlib.suppress(Ended):
        settings, model = read_pieces(sys.stdin.buffer)
        _serve(model, answers, **json.loads(settings))


def _serve(model: bytes, answers: BinaryIO, *, kernels: str, memory_bytes: int, cpu_s: float) -> None:
    limit_memory(memory_bytes)
    limit_cpu(cpu_s)
    try:
        runner = runtime.Model(model, kernels=kernels)
    except runtime.RuntimeUnavailable as error:
        write_pieces(answers, [b"unavailable", str(error).encode()])
        return
    except (RuntimeError, ValueError, MemoryError) as error:
        write_pieces(answers, [b"error", _words(error)])
        return
    write_pieces(answers, [b"ok"])
    while True:
        inputs = read_pieces(sys.stdin.buffer)
        limit_cpu(cpu_s)
        try:
            write_pieces(answers, [b"ok", *runner.invoke(inputs)])
        except (RuntimeError, ValueError, MemoryError) as error:
            write_pieces(answers, [b"error", _words(error)])


def _words(error: Exception) -> bytes:
    return (" ".join(str(error).split()) or type(error).__name__).encode()


def limit_memory(count: int) -> None:
    """No more than `count` bytes of addresses, and no core files. Nothing where the system has no such limits."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))


def limit_cpu(seconds: float) -> None:
    """No more than `seconds` of processor time from now on: for a process that nobody watches any more."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        until = int(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until if hard == resource.RLIM_INFINITY else min(until, hard), hard))


if __name__ == "__main__":
    main()
