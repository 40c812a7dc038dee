"""Runs trials: in processes of this machine, or on a Dask cluster. The results are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from edgeq.errors import LinkError, UsageError
from edgeq.quantize.recipe import Recipe
from edgeq.search.trial import Material, Result, run

CONNECT_S = 10
CRASHED = "The runtime crashed on this model."


class Processes(AbstractContextManager["Processes"]):
    """`jobs` processes of this machine. A model that crashes one costs its own trial only."""

    def __init__(self, material: Material, jobs: int) -> None:
        self._material, self._jobs = material, jobs
        self._executor = self._open(jobs)

    def results(self, recipes: Sequence[Recipe], until: float) -> Iterator[Result]:
        """One result for each recipe, as they come; none is begun after `until` (`time.monotonic`)."""
        waiting, running = list(reversed(recipes)), dict[Future[Result], Recipe]()
        while waiting or running:
            while waiting and len(running) < self._jobs and time.monotonic() < until:
                recipe = waiting.pop()
                with _unheard():
                    running[self._executor.submit(_run_held, recipe)] = recipe
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            suspects = [running.pop(future) for future in done if isinstance(future.exception(), BrokenProcessPool)]
            yield from (future.result() for future in done if future in running and running.pop(future))
            if suspects:
                suspects += running.values()
                running.clear()
                yield from self._one_by_one(suspects)

    def _one_by_one(self, recipes: Sequence[Recipe]) -> Iterator[Result]:
        """After a crash: each in a process of its own, so that it is known which one it was."""
        self._executor.shutdown()
        for recipe in recipes:
            with self._open(1) as lone:
                try:
                    with _unheard():
                        begun = lone.submit(_run_held, recipe)
                    yield begun.result()
                except BrokenProcessPool:
                    yield Result(recipe, error=CRASHED)
        self._executor = self._open(self._jobs)

    def _open(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _hold, (self._material,))

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)


class Dask(AbstractContextManager["Dask"]):
    """A cluster: its workers need edgeq with its `convert` extra. `LinkError` where no scheduler answers."""

    def __init__(self, material: Material, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise UsageError("A search on Dask needs 'distributed'.", "pip install 'edgeq[search]'") from error
        try:
            library: Any = distributed
            self._client = library.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise LinkError(
                f"No Dask scheduler answers at {address}.", "Start one with 'dask scheduler', and workers."
            ) from error
        self._material = self._client.scatter(material, broadcast=True)

    def results(self, recipes: Sequence[Recipe], until: float) -> Iterator[Result]:
        """Likewise; what the cluster was given is waited for until the time is over."""
        import distributed

        library: Any = distributed
        by_key = {}
        for recipe in recipes:
            future = self._client.submit(run, self._material, recipe, key=f"edgeq-{recipe.sha256}", retries=1)
            by_key[future.key] = (future, recipe)
        left = None if until == float("inf") else max(until - time.monotonic(), 0.001)
        try:
            futures = [future for future, _ in by_key.values()]
            for future in library.as_completed(futures, loop=self._client.loop, timeout=left):
                recipe = by_key[future.key][1]
                yield Result(recipe, error=CRASHED) if future.exception() else future.result()
        except TimeoutError:
            self._client.cancel([future for future, _ in by_key.values()])

    def __exit__(self, *_: object) -> None:
        self._client.close()


_HELD: list[Material] = []


@contextmanager
def _unheard() -> Iterator[None]:
    """Processes that begin here hear of Ctrl-C, which a terminal sends to all, from `_hold` on: Python that is still
    starting would say so at length."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hold(material: Material) -> None:
    """In a new process: what all its trials work on. What the runtime says on its way is nobody's business."""
    _HELD[:] = [material]
    threading.Thread(target=_follow, daemon=True).start()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _follow() -> None:
    """End with the process that began this one, also where that was killed: nobody else would."""
    began = multiprocessing.parent_process()
    if began is not None:
        began.join()
        os._exit(1)


def _run_held(recipe: Recipe) -> Result:
    return run(_HELD[0], recipe)


def open_pool(material: Material, jobs: int, scheduler: str = "") -> Processes | Dask:
    """Dask where a `scheduler` is named (`tcp://host:port`), else `jobs` processes here."""
    return Dask(material, scheduler) if scheduler else Processes(material, jobs)
