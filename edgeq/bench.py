"""The verb `bench`: the device measures the release that serves on it; everything seen is kept in a run."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import edgeq
from edgeq.bundle import IMAGE, MODEL
from edgeq.device.benching import Seen, never
from edgeq.device.device import Device, Progress, silent
from edgeq.errors import TargetError, UsageError
from edgeq.kept import fit, provenance
from edgeq.probe import Probe, open_probe
from edgeq.probe.environment import clock_series, link_s, trace_series
from edgeq.probe.latency import latency_series
from edgeq.probe.memory import memory_series
from edgeq.probe.power.account import account
from edgeq.probe.validity import judge
from edgeq.profile import profile as profile_ops
from edgeq.run import Plan, Run, Series
from edgeq.runtimes.resolve import MICRO
from edgeq.sustained import Teller
from edgeq.target import TargetProfile, load_target

FACTS = (
    *("board", "arch", "cpu", "cores", "os", "kernel", "python", "libc", "ram_bytes", "disk_bytes", "free_bytes"),
    *("emulated", "emulator"),
)


def bench(
    device: Device,
    *,
    name: str = "",
    runs: int = 200,
    warmup: int = 20,
    threads: int = 0,
    seconds: float | None = None,
    rel_error: float | None = None,
    sustained: bool = False,
    delegate: str = "",
    end_to_end: bool = False,
    every_s: float | None = None,
    per_op: bool = False,
    bundle: Path | None = None,
    among: Sequence[Path] = (),
    probes: Sequence[str] | None = None,
    progress: Progress = silent,
    stopped: Callable[[], bool] = never,
) -> Run:
    """Golden vectors, then the measurement, with every probe watching.

    It ends with the first of `runs` samples, `seconds`, and a p50 that is known within `rel_error`; a `sustained` one
    lasts for `seconds`. `threads` 0 and an empty `delegate` mean what the bundle says; `every_s` is how often the
    device reads its sensors; `probes` by default the power model of the target, where it has one. When `stopped` says
    so, what there is by then is the run. With `per_op` it is profiled first, so that what cannot be is said at once;
    `bundle` is what serves, `among` are bundles of which one may be it.
    """
    plan = Plan(runs, warmup, threads, seconds, rel_error, sustained, delegate, end_to_end)
    facts, manifest = device.describe(), device.manifest()
    _one_thread(threads, manifest)
    how = "emulated" if facts.get("emulated") else "measured"
    profile = _profile(manifest["target"])
    series: list[Series] = []
    watching = [_open(address, profile) for address in (_default_probes(profile) if probes is None else probes)]
    golden = device.selftest(progress=lambda note: progress(f"golden vectors: {note}"))
    asked: dict[str, Any] = {"threads": threads, "delegate": delegate, "bundle": bundle, "among": among}
    table = profile_ops(device, **asked, progress=progress).table if per_op else None
    with ExitStack() as stack:
        for probe in watching:
            _watch(stack, probe, series)
        answer = _measured(device, plan, every_s, progress, stopped)
    own = [*latency_series(answer, how), *memory_series(answer, how, _flash(manifest, facts))]
    traces = [*trace_series(answer, how), *clock_series(answer, how)]
    accounted = account(watching, [*own, *traces, *series], answer)
    run = Run(
        created=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        edgeq=edgeq.__version__,
        device=_device(facts, device.address, name, golden),
        release={**_release(manifest, golden, device), **_kept(manifest, profile, facts)},
        plan=replace(plan, threads=threads or manifest["runtime"]["threads"]),
        environment=_environment(answer, manifest),
        series=accounted.series,
        energy=accounted.energy,
        profile=table,
    )
    verdict, issues = judge(run)
    return replace(run, verdict=verdict, issues=tuple(issues))


def _measured(
    device: Device, plan: Plan, every_s: float | None, progress: Progress, stopped: Callable[[], bool]
) -> dict[str, Any]:
    """The device's answer; of a sustained bench every interval is told, else how far it is."""
    teller = Teller(plan.seconds or 0.0, progress) if plan.sustained else None

    def watch(seen: Seen) -> None:
        if teller:
            teller(seen.samples, seen.starts, seen.trace)

    def say(note: str) -> None:
        if not plan.sustained:
            progress(f"measuring: {note}")

    return device.bench(progress=say, stopped=stopped, watch=watch, every_s=every_s, **asdict(plan))


def _one_thread(threads: int, manifest: Mapping[str, Any]) -> None:
    """A run of several threads is none where the runtime has but one."""
    if threads > 1 and (manifest.get("golden") or {}).get("kernels") == MICRO:
        raise UsageError(
            f"{threads} threads cannot be measured: edgeq-micro runs a model in one.", "Leave --threads away."
        )


def _environment(answer: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Readings, how the bench ended, and what the device measured beside what the manifest names."""
    told = {key: answer[key] for key in ("ended_by", "timed_every", "delegate", "host_s") if key in answer}
    found = {"before": answer["before"], "after": answer["after"], **told}
    if link_s(answer) is not None:
        found["link_s"] = link_s(answer)
    if "model_sha" in answer:
        expected = manifest["files"].get(answer["member"], {}).get("sha256", "")
        found["model"] = {"n": answer["n"], "sha256": answer["model_sha"].hex(), "expected": expected}
    return found


def _flash(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> int:
    """Bytes of a microcontroller's image; 0 elsewhere."""
    return int(manifest["files"].get(IMAGE, {}).get("size", 0)) if facts.get("kind") == "mcu" else 0


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


def _kept(manifest: dict[str, Any], profile: TargetProfile | None, facts: dict[str, Any]) -> dict[str, Any]:
    return {"provenance": provenance(manifest), "fit": fit(manifest, profile, facts)}


def _release(manifest: dict[str, Any], golden: dict[str, Any], device: Device) -> dict[str, Any]:
    serving = next(release for release in device.releases() if release.n == manifest["n"])
    return {
        "name": manifest["name"],
        "digest": serving.digest,
        "n": serving.n,
        "target": manifest["target"],
        "mode": manifest["mode"],
        "model_bytes": manifest["files"][MODEL]["size"],
        "macs": manifest["model"]["macs"],
        "golden": {key: golden[key] for key in ("vectors", "tolerance", "worst")},
        "evaluation": manifest["evaluation"],
        "input_sha256": (manifest.get("golden") or {}).get("input_sha256"),
    }
