"""The verb `bench`: the device measures the release that serves on it; everything seen is kept in a run."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import edgeq
from edgeq.device.device import Device, Progress, silent
from edgeq.errors import TargetError, UsageError
from edgeq.kept import fit, provenance
from edgeq.probe import Probe, open_probe
from edgeq.probe.latency import latency_series
from edgeq.probe.memory import memory_series
from edgeq.probe.power.account import account
from edgeq.probe.validity import judge
from edgeq.run import Plan, Run, Series
from edgeq.target import TargetProfile, load_target

FACTS = ("board", "arch", "cpu", "cores", "os", "kernel", "python", "libc", "ram_bytes", "emulated", "emulator")


def bench(
    device: Device,
    *,
    name: str = "",
    runs: int = 200,
    warmup: int = 20,
    threads: int = 0,
    probes: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Run:
    """Golden vectors, then the measurement, with every probe watching.

    `threads` 0 means what the bundle says; `probes` by default the power model of the target, where it has one.
    """
    facts, manifest = device.describe(), device.manifest()
    how = "emulated" if facts.get("emulated") else "measured"
    profile = _profile(manifest["target"])
    series: list[Series] = []
    watching = [_open(address, profile) for address in (_default_probes(profile) if probes is None else probes)]
    golden = device.selftest(progress=lambda note: progress(f"golden vectors: {note}"))
    with ExitStack() as stack:
        for probe in watching:
            _watch(stack, probe, series)
        answer = device.bench(runs, warmup, threads, lambda note: progress(f"measuring: {note}"))
    accounted = account(watching, [*latency_series(answer, how), *memory_series(answer, how), *series], answer)
    run = Run(
        created=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        edgeq=edgeq.__version__,
        device=_device(facts, device.address, name, golden),
        release={**_release(manifest, golden, device), **_kept(manifest, profile)},
        plan=Plan(runs, warmup, threads or manifest["runtime"]["threads"]),
        environment={"before": answer["before"], "after": answer["after"]},
        series=accounted.series,
        energy=accounted.energy,
    )
    verdict, issues = judge(run)
    return replace(run, verdict=verdict, issues=tuple(issues))


def _profile(target: str) -> TargetProfile | None:
    """The profile the bundle was built for, where this host has it."""
    try:
        return load_target(target)
    except TargetError:
        return None


def _default_probes(profile: TargetProfile | None) -> Sequence[str]:
    return ("t0:",) if profile and profile.power else ()


def _open(address: str, profile: TargetProfile | None) -> Probe:
    if profile is None:
        raise UsageError(
            f"The probe '{address}' needs the target's profile, which is not here.", "See 'edgeq targets'."
        )
    return open_probe(address, profile)


def _watch(stack: ExitStack, probe: Probe, series: list[Series]) -> None:
    """Start a probe; when the stack ends, it stops and its series are collected."""
    probe.start()
    stack.callback(lambda: series.extend(probe.stop()))


def _device(facts: dict[str, Any], address: str, name: str, golden: dict[str, Any]) -> dict[str, Any]:
    runtime, _, version = str(golden["runtime"]).rpartition(" ")
    chosen = {key: facts.get(key) for key in FACTS}
    return {"address": address, "name": name or address, **chosen, "runtime": runtime, "runtime_version": version}


def _kept(manifest: dict[str, Any], profile: TargetProfile | None) -> dict[str, Any]:
    return {"provenance": provenance(manifest), "fit": fit(manifest, profile)}


def _release(manifest: dict[str, Any], golden: dict[str, Any], device: Device) -> dict[str, Any]:
    serving = next(release for release in device.releases() if release.n == manifest["n"])
    return {
        "name": manifest["name"],
        "digest": serving.digest,
        "n": serving.n,
        "target": manifest["target"],
        "mode": manifest["mode"],
        "model_bytes": manifest["files"]["model.tflite"]["size"],
        "macs": manifest["model"]["macs"],
        "golden": {key: golden[key] for key in ("vectors", "tolerance", "worst")},
        "evaluation": manifest["evaluation"],
    }
