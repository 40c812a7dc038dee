"""The verb `profile`: what each op of the serving model takes, by LiteRT's own profiler and by the ticks of the plan's
records where edgeq-micro runs it, on Linux and on a microcontroller; one table for both (docs/profile.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.bundle import MODEL
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import DeviceError
from edgeq.model.tflite import read_model
from edgeq.profile import linux, mcu
from edgeq.profile.table import Row, profiled
from edgeq.protocol.status import Status
from edgeq.served import find_bundle, serving

RUNS, MCU_RUNS = 50, 5
"""Unless somebody says how many: on Linux as many as `benchmark_model` makes."""
WITHOUT = (
    "Ops are told by ai-edge-litert 2.3 with xnnpack or builtin kernels, and by edgeq-micro; 'edgeq bench' measures a "
    "model as a whole."
)

AROUND = "around each record of the plan"

__all__ = ["MCU_RUNS", "RUNS", "Profile", "profile"]


@dataclass(frozen=True)
class Profile:
    """What was profiled, and the profile in the form of `Run.profile`."""

    release: Release
    table: Mapping[str, Any]


def profile(
    device: Device,
    *,
    runs: int = 0,
    threads: int = 0,
    delegate: str = "",
    bundle: Path | None = None,
    among: Sequence[Path] = (),
    progress: Progress = silent,
) -> Profile:
    """`runs` inferences with the first golden vector, op by op, and as many as a whole.

    `runs` 0 means the usual number, `threads` 0 and no `delegate` what the bundle says. On edgeq's own runtime the
    bundle tells which op of the model a record is: `bundle`, a `UsageError` where it is not what serves there, or the
    one of `among` that is. `DeviceError` with status UNSUPPORTED where the device's runtime has no profiler.
    """
    facts = device.describe()
    if facts.get("kind") != "mcu":
        return _linux(device, facts, (runs or RUNS, threads, delegate), (bundle, among), progress)
    release = serving(device)
    return _mcu(device, release, facts, runs or MCU_RUNS, _model(release, bundle, among), progress)


def _how(facts: Mapping[str, Any]) -> str:
    return "emulated" if facts.get("emulated") else "measured"


def _linux(
    device: Device,
    facts: Mapping[str, Any],
    how: tuple[int, int, str],
    bundles: tuple[Path | None, Sequence[Path]],
    progress: Progress,
) -> Profile:
    """`how` is runs, threads and delegate, `bundles` what may have been deployed."""
    try:
        result, samples = device.profile_ops(*how, progress=progress)
    except DeviceError as error:
        if error.status != Status.UNSUPPORTED:
            raise
        raise DeviceError(error.message, WITHOUT, Status.UNSUPPORTED) from error
    told, release = linux.read(result["detail"], samples, how[0]), serving(device)
    if told.records:
        model = _model(release, *bundles)
        rows, notes = _of_records(told, model)
        said = {"source": f"the device's clock, {AROUND}", **_named(model)}
    else:
        rows, notes = linux.rows_of(told)
        said = {"source": f"{told.facts['runtime']}'s profiler, in whole microseconds"}
    said = {"unit": "ns", "how": _how(facts), **said, **told.facts}
    return Profile(release, profiled(rows, told.whole, said, notes))


def _named(model: bytes | None) -> dict[str, str]:
    """What the file calls its main graph, if anything: other tools name it so."""
    name = read_model(model).subgraphs[0].name if model else ""
    return {"graph": name} if name else {}


def _of_records(told: linux.Told, model: bytes | None) -> tuple[list[Row], list[str]]:
    """The resolution is what it takes to ask for one record: every figure holds that much."""
    rows, notes = mcu.rows_of([list(zip(told.records, run, strict=True)) for run in told.spent], model)
    clock_ns = told.facts["clock_ns"]
    return rows, notes + linux.quick(rows, clock_ns, f"of which asking for each is about {clock_ns / 1000:g} us")


def _mcu(
    device: Device, release: Release, facts: Mapping[str, Any], runs: int, model: bytes | None, progress: Progress
) -> Profile:
    taken = []
    for done in range(runs):
        progress(f"{done} of {runs} runs")
        taken.append(device.profile())
    rows, notes = mcu.rows_of(taken, model)
    whole = device.bench(runs, 1, 0, progress=progress)
    unit = "instructions" if "invoke_instructions" in whole else "ns"
    source = "the device's instruction counter" if unit == "instructions" else "the device's clock"
    said = {"unit": unit, "how": _how(facts), "source": f"{source}, {AROUND}", "threads": 1, **_named(model)}
    return Profile(release, profiled(rows, whole[f"invoke_{unit}"], said, notes))


def _model(release: Release, folder: Path | None, among: Sequence[Path]) -> bytes | None:
    """The model of what serves, out of its bundle; None where that is not here."""
    bundle = find_bundle(release, folder, among)
    return None if bundle is None else bundle.path(MODEL).read_bytes()
