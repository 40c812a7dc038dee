"""The process in which a model runs, so that one that crashes, hangs or leaks cannot take the agent down.

Reads requests from its standard input, answers on its standard output (`edgeq.agent.pipe`); everything that the runtime
prints goes to standard error.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from edgeq.agent import limits, pipe
from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status


def main(runtime: str, limit_bytes: int = 0) -> None:
    """Serve until the agent closes the pipe. `runtime` is a folder of unpacked wheels, or empty for the system's;
    `limit_bytes` is what it may take of memory, 0 for anything."""
    answers = os.dup(1)
    os.dup2(2, 1)
    # Somebody that a runtime forks must not keep the agent waiting for an answer.
    os.register_at_fork(after_in_child=lambda: os.close(answers))
    limits.confine(limit_bytes)
    limits.end_with_parent()
    if runtime:
        sys.path.insert(0, runtime)
    worker = _Worker()
    while True:
        try:
            request = pipe.receive(0)
        except pipe.PipeClosed:
            return
        try:
            for answer in getattr(worker, f"do_{request.pop('do')}")(**request):
                pipe.send(answers, answer)
        except Refused as refused:
            pipe.send(answers, {"error": refused.reason[:500], "status": int(refused.status)})
        except MemoryError:
            most = f"; its process may take {limit_bytes} bytes" if limit_bytes else ""
            pipe.send(answers, {"error": f"the model ran out of memory{most}"})
        except Exception as error:
            # Whatever the runtime throws is an answer: the agent tells it to the host.
            pipe.send(answers, {"error": f"{type(error).__name__}: {error}"[:500]})


class _Worker:
    """One model, and what can be asked of it. Every method yields its answers; the last has no key `more`."""

    def __init__(self) -> None:
        self.model: Any = None
        self._how = ("", 0, "")

    def do_load(self, path: str, threads: int, kernels: str) -> Any:
        from edgeq.runtime import available

        before, pss_before = memory_bytes("VmRSS"), pss_bytes()
        self._how = (path, threads, kernels)
        start = time.perf_counter_ns()
        self.model = self._open()
        init_ns = time.perf_counter_ns() - start
        after = memory_bytes("VmRSS")
        yield {
            "init_ns": init_ns,
            "rss_before": before,
            "rss_after": after,
            "rss_load": max(0, after - before),
            "pss_before": pss_before,
            "pss_after": pss_bytes(),
            "input_bytes": self.model.input_bytes,
            "runtime": getattr(self.model, "title", None) or " ".join(available() or ()),
        }

    def _open(self) -> Any:
        from edgeq.agent.micro import NAME, MicroModel
        from edgeq.runtime import Model

        path, threads, kernels = self._how
        if kernels == NAME:
            return MicroModel(Path(path).parent)
        return Model(Path(path), threads=threads, kernels=kernels)

    def do_invoke(self, data: bytes, sizes: list[int]) -> Any:
        """`data` holds whole samples, each made of the inputs of `sizes` bytes in order."""
        outputs: list[bytes] = []
        for at in range(0, len(data), sum(sizes)):
            outputs += self.model.invoke(split(data, at, sizes))
        yield {"data": b"".join(outputs)}

    def do_look(self, data: bytes, sizes: list[int], tensor: int) -> Any:
        """One sample in, a tensor between the model's operators out (`edgeq.agent.looking`)."""
        from edgeq.agent.looking import look

        path, threads, kernels = self._how
        yield {"data": look(Path(path), threads, kernels, split(data, 0, sizes), tensor)}

    def do_raw(self, data: bytes, raw: dict[str, Any], preprocess: dict[str, Any]) -> Any:
        """`data` is one raw input (`edgeq.protocol.raw`); `preprocess` makes the model's one input of it."""
        yield {"data": b"".join(self._from_raw({**raw, "data": data}, preprocess))}

    def _from_raw(self, raw: dict[str, Any], preprocess: dict[str, Any]) -> list[bytes]:
        from edgeq.preprocess import parse
        from edgeq.preprocess.wire import check_raw, decode_raw

        try:
            check_raw(raw)
            if hasattr(self.model, "invoke_raw"):
                own: list[bytes] = self.model.invoke_raw(raw)  # The image's own front end, in integers.
                return own
            inputs = [self.model.inputs[0].encode(parse(preprocess).apply(decode_raw(raw)))]
        except ValueError as error:
            raise Refused(Status.INVALID, str(error)) from error
        outputs: list[bytes] = self.model.invoke(inputs)
        return outputs

    def do_golden(self, vectors: str, preprocess: dict[str, Any]) -> Any:
        """Run every golden vector, then those from raw inputs; the outputs go back as they are, the agent compares."""
        from edgeq.protocol import cbor

        golden = cbor.loads(Path(vectors).read_bytes())
        for inputs in golden["inputs"]:
            yield {"outputs": self.model.invoke(inputs), "more": True}
        for raw in golden.get("raw", []):
            yield {"outputs": self._from_raw(raw, preprocess), "more": True}
        yield {}

    def do_bench(
        self,
        inputs: list[bytes],
        raw: Any = None,
        preprocess: Any = None,
        most: Any = (),
        again: bool = False,
        **how: Any,
    ) -> Any:
        """What `edgeq.agent.timing.measure` answers to `how`; then memory, the way from end to end where `raw` is given
        (`most`: runs and seconds), and with `again` the time to load the model once more."""
        from edgeq.agent.timing import end_to_end, measure

        for answer in measure(self.model, inputs, stopped=_told, **how):
            yield {**answer, "more": True}
        yield {
            "rss_peak": memory_bytes("VmHWM"),
            "rss_end": memory_bytes("VmRSS"),
            "pss_end": pss_bytes(),
            "more": True,
        }
        if raw is not None:
            given, prepare = self._prepared(raw, preprocess)
            yield {**end_to_end(self.model, given, prepare, *most), "more": True}
        yield {"warm_load_ns": self._load_again()} if again else {}

    def _load_again(self) -> int:
        self.model = None
        start = time.perf_counter_ns()
        self.model = self._open()
        return time.perf_counter_ns() - start

    def _prepared(self, raw: dict[str, Any], preprocess: dict[str, Any]) -> Any:
        """A raw input as it is taken here, and what makes the model's inputs of it."""
        from edgeq.preprocess import parse
        from edgeq.preprocess.wire import decode_raw

        if hasattr(self.model, "invoke_raw"):
            return raw, None  # The image's own front end, in integers.
        steps, tensor = parse(preprocess), self.model.inputs[0]
        return decode_raw(raw), lambda given: [tensor.encode(steps.apply(given))]

    def do_stop(self) -> Any:
        """Nothing: that it was sent is what ends a bench."""
        yield from ()

    def do_profile(self, path: str, threads: int, kernels: str, inputs: list[bytes], runs: int) -> Any:
        """What each op takes (`edgeq.agent.litert_profile.measure`)."""
        from edgeq.agent.litert_profile import measure

        for answer in measure(Path(path), inputs, threads, kernels, runs):
            yield {**answer, "more": True}
        yield {}

    def do_profile_records(self, inputs: list[bytes], runs: int) -> Any:
        """What each record of the loaded image's plan takes (`edgeq.agent.micro.measure`)."""
        from edgeq.agent.micro import measure

        for answer in measure(self.model, inputs, runs):
            yield {**answer, "more": True}
        yield {}


def _told() -> bool:
    """Whether the agent has sent something, which it does during a bench only to end it."""
    return bool(select.select([0], [], [], 0)[0])


def split(data: bytes, at: int, sizes: list[int]) -> list[bytes]:
    """Cut one sample that begins at `at` into its tensors."""
    pieces = []
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return pieces


def memory_bytes(key: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM), in bytes; 0 where the kernel does not say."""
    return _line_of("/proc/self/status", key)


def pss_bytes() -> int:
    """The proportional set size of this process: pages that others use, too, count in part; 0 where it is not told."""
    return _line_of("/proc/self/smaps_rollup", "Pss")


def _line_of(path: str, key: str) -> int:
    try:
        for line in Path(path).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0
