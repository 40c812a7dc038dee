"""The command bench: one bench, a sweep over threads and delegates, or a sustained one."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.accuracy import Labelled, kept, tell_accuracy
from edgeq.cli.base import Jobs, ManyArgument, app, command, console, open_address
from edgeq.cli.fleets import bench_many
from edgeq.errors import EdgeqError, UsageError

RUNS = 200
MOST_RUNS = 1_000_000
MOST_SECONDS = 60.0
"""Where only a relative error is asked for, it is given up after that long."""
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@command(app)
def bench(
    device: ManyArgument = None,
    runs: Annotated[int | None, typer.Option(help="Most steady-state inferences; 200.", min=1, max=MOST_RUNS)] = None,
    warmup: Annotated[int, typer.Option(help="Inferences before them.", min=0, max=1_000_000)] = 20,
    seconds: Annotated[str, typer.Option(help="Measure at most so long: 30, 2m.", show_default=False)] = "",
    rel_error: Annotated[
        str, typer.Option(help="Measure until p50 is known so well: 1%, with 95 % confidence.", show_default=False)
    ] = "",
    sustained: Annotated[
        str, typer.Option(help="Measure for so long, whatever comes, and tell p50 over time: 10m.", show_default=False)
    ] = "",
    threads: Annotated[str, typer.Option(help="Threads, or several: 1,2,4. 0: what the bundle says.")] = "0",
    delegate: Annotated[
        str, typer.Option(help="What executes ops: xnnpack, builtin, reference; or several.", show_default=False)
    ] = "",
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Also preprocessing and postprocessing of a raw input.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between readings of the board.", min=0.05, max=3600)] = 1.0,
    probe: Annotated[
        list[str] | None, typer.Option(help="What else watches, see 'edgeq probes'; may be given several times.")
    ] = None,
    per_op: Annotated[bool, typer.Option("--profile", help="Also what each op takes, as 'edgeq profile'.")] = False,
    accuracy: Annotated[
        str,
        typer.Option(help="Labelled samples that go through the device first (docs/accuracy.md).", show_default=False),
    ] = "",
    limit: Annotated[int, typer.Option(help="Only so many of these, of every class its share.", min=0)] = 0,
    bundle: Annotated[Path | None, typer.Option(help="What was deployed; the project's by default.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the run goes (run.json).")] = None,
    jobs: Jobs = 1,
) -> None:
    """Measure the serving release: the device times itself, every sample is kept. ^C ends it and keeps what there is.

    Example: edgeq bench ssh://pi@raspberrypi --rel-error 1% -o run.json
    Example: edgeq bench pi --threads 1,2,4 --delegate xnnpack,reference
    Example: edgeq bench pi --sustained 10m
    Example: edgeq bench pi --accuracy test.npz --limit 500
    """
    from edgeq.project import load_project

    how: dict[str, Any] = {**_length(runs, seconds, rel_error, sustained), "warmup": warmup, "probes": probe}
    how.update(end_to_end=end_to_end, every_s=every, per_op=per_op)
    sweep = list(product(_numbers(threads), _words(delegate)))
    labelled = Labelled(accuracy, limit, bundle)
    labelled.check(sweep, per_op)
    project = load_project()
    if project.is_many(wanted := [device] if device else []):
        if per_op or accuracy or len(sweep) > 1:
            raise UsageError("A sweep, a profile and --accuracy are of one device at a time.", "Name one device.")
        bench_many(project, wanted, output, jobs, threads=sweep[0][0], delegate=sweep[0][1], **how)
        return
    if output and len(sweep) > 1:
        raise UsageError("A sweep makes several runs.", f"Leave --output away: they go to {project.runs}.")
    _bench(project, device, sweep, how, output, labelled)


def _bench(
    project: Any,
    device: str | None,
    sweep: list[tuple[int, str]],
    how: dict[str, Any],
    output: Any,
    labelled: Labelled,
) -> None:
    from edgeq.bench import bench as bench_device
    from edgeq.cli.profiling import bundles_of
    from edgeq.cli.telling_bench import tell_run, tell_sweep
    from edgeq.results import publish

    made: list[tuple[Any, Path]] = []
    entry = project.resolve(device)
    beside = labelled.beside(output.parent if output else project.runs)
    with ExitStack() as stack:
        opened = stack.enter_context(open_address(entry.address))
        stack.enter_context(labelled.explained(opened, project, entry))
        # ^C ends it as ever: half of it is no accuracy. What there is stays for the same command, until a run has it.
        document = labelled.measure(opened, project, entry, beside)
        stopped = stack.enter_context(until_interrupted())
        for threads, delegate in sweep:
            if len(sweep) > 1:
                console.progress(f"{threads or 'usual'} threads, {delegate or 'usual delegate'}")
            with _telling(made):
                run = bench_device(
                    opened,
                    name=entry.name,
                    threads=threads,
                    delegate=delegate,
                    bundle=labelled.bundle,
                    among=bundles_of(project, entry) if how["per_op"] else (),
                    progress=console.progress,
                    stopped=stopped,
                    **how,
                )
            run = kept(run, document)
            path = output or project.run_path(run.created, entry.name)
            if output:
                run.write(path)
            else:
                publish(run, path)
            made.append((run, path))
            if beside:
                beside.remove()
            if stopped():
                break
    console.result(*tell_accuracy(document, *(tell_run(*made[0]) if len(sweep) == 1 else tell_sweep(made))))


@contextmanager
def _telling(made: Sequence[tuple[Any, Path]]) -> Iterator[None]:
    """Where a sweep ends with an error, that says where the runs before it are."""
    try:
        yield
    except EdgeqError as error:
        if made:
            paths = [str(path) for _, path in made]
            error.hint = f"{error.hint} What was measured before is kept: {', '.join(paths)}.".lstrip()
            error.facts = {**error.facts, "runs": paths}
        raise


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """The first ^C is a wish that the block may ask for; the second one interrupts as ever."""
    wished: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def wish(number: int, _frame: Any) -> None:
        wished.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, wish)
    try:
        yield lambda: bool(wished)
    finally:
        signal.signal(signal.SIGINT, before)


def _length(runs: int | None, seconds: str, rel_error: str, sustained: str) -> dict[str, Any]:
    """How long it lasts, as `edgeq.bench.bench` takes it."""
    if sustained:
        if seconds or rel_error or runs:
            raise UsageError(
                "A sustained bench lasts as long as it says.", "Leave --runs, --seconds, --rel-error away."
            )
        return {"runs": MOST_RUNS, "seconds": duration_s(sustained), "sustained": True}
    if not seconds and not rel_error:
        return {"runs": runs or RUNS}
    error = _fraction(rel_error) if rel_error else None
    most = duration_s(seconds) if seconds else MOST_SECONDS
    return {"runs": runs or MOST_RUNS, "seconds": most, "rel_error": error}


def duration_s(text: str) -> float:
    """`90`, `90s`, `10m`, `1h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(s|m|min|h)?", text.strip())
    value = float(match[1]) * _UNITS[match[2] or ""] if match else 0.0
    if not 0.01 <= value <= 86_400:
        raise UsageError(f"'{text}' is no duration from 0.01 s to a day.", "Write 90, 90s, 10m or 1h.")
    return value


def _fraction(text: str) -> float:
    match = re.fullmatch(r"(\d*\.?\d+) *(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 1e-4 <= value <= 0.5:
        raise UsageError(f"'{text}' is no relative error from 0.01% to 50%.", "Write 1% or 0.01.")
    return value


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not all(words):
        raise UsageError(f"'{text}' is no list of delegates.", "Write xnnpack, or xnnpack,reference.")
    return words


def _numbers(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) <= 1024 for word in words):
        raise UsageError(f"'{text}' is no count of threads, nor a list of them.", "Write 4, or 1,2,4.")
    return [int(word) for word in words]
