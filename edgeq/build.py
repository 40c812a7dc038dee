"""`edgeq build`: model and representative data -> a bundle for each target."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgeq
from edgeq import fit
from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.dataset import Dataset, read_dataset, subsample
from edgeq.errors import UsageError
from edgeq.fit import Finding
from edgeq.interface import Array
from edgeq.micro.compile import Compiled, compile_model
from edgeq.micro.footprint import footprint, told
from edgeq.model.describe import describe, read_labels
from edgeq.model.tflite import ModelInfo, read_model
from edgeq.quantize.convert import Converted, convert, quantized_already
from edgeq.quantize.evaluate import Variant, evaluate
from edgeq.quantize.golden import Golden, from_samples, from_seed, make_golden
from edgeq.quantize.host import host_runtime
from edgeq.quantize.verify import check_integer
from edgeq.runtimes import wheels_for
from edgeq.target import TargetProfile

Progress = Callable[[str], None]

IMAGE = "image.eqi"
"""The member that a microcontroller gets."""


@dataclass(frozen=True)
class Built:
    """One bundle. `evaluation` as docs/bundle.md has it, None without a labelled set; `findings` hold no errors."""

    bundle: Bundle
    model: ModelInfo
    evaluation: Mapping[str, Any] | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Parts:
    """What every target's bundle is made of. `samples` are those of `data` that the ranges were calibrated on;
    `reference` is the float model, None where the given one was quantized already."""

    name: str
    converted: Converted
    info: ModelInfo
    reference: Variant | None
    quantized: Variant
    data: Dataset | None
    samples: Array | None


def build(
    model: Path,
    targets: Sequence[TargetProfile],
    data: Path | None = None,
    *,
    eval_data: Path | None = None,
    labels: Sequence[str] | Path | None = None,
    io: str = "int8",
    samples: int | None = None,
    out: Path,
    name: str | None = None,
    progress: Progress = lambda _: None,
) -> list[Built]:
    """Convert once, then check, evaluate and bundle for each target: `out/<name>-<target>/`.

    `data` holds representative samples (`samples` of them are used, by default up to 500), `eval_data` labelled ones.
    A `.tflite` that is quantized already is taken as it is, and needs no `data`.
    """
    _check_targets(targets)
    names, labelled = read_labels(labels), _labelled(eval_data)
    title = _title(name or (model if model.name else model.resolve()).stem)
    given = quantized_already(model)
    dataset = read_dataset(data) if data else None
    if given is not None:
        parts = _examine(title, Converted(b"", given), None, names, dataset, None)
    else:
        if dataset is None:
            raise UsageError("No representative data was given.", "Give --data calibration.npz.")
        chosen = subsample(dataset.x, samples)
        parts = _examine(title, convert(model, chosen, io=io, progress=progress), io, names, dataset, chosen)
    fitting = [_fit(parts, target) for target in targets]
    evaluations = _evaluate(parts, labelled, targets, progress)
    golden = _golden(parts, targets, progress)
    built = []
    for target, (planned, found) in zip(targets, fitting, strict=True):
        family = target.runtime.kernels
        progress(f"writing the bundle for {target.name}")
        bundle = _bundle(parts, target, planned, golden[family], evaluations[family], out)
        warnings = fit.same_runtime(host_runtime(family), target)
        built.append(Built(bundle, parts.info, evaluations[family], (*found, *warnings)))
    return built


def _check_targets(targets: Sequence[TargetProfile]) -> None:
    """Ask what can be asked before anything long starts."""
    if not targets:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    for target in targets:
        fit.require(fit.precheck(target), target)
        _wheels(target)
        host_runtime(target.runtime.kernels)


def _wheels(target: TargetProfile) -> list[dict[str, Any]]:
    """The wheels of a target's runtime; a microcontroller's is in its firmware."""
    if target.kind == "mcu":
        return []
    return wheels_for(target.runtime.name, target.runtime.version, target.cpu.arch)


def _labelled(path: Path | None) -> Dataset | None:
    if path is None:
        return None
    data = read_dataset(path)
    data.classes()
    return data


def _examine(
    name: str,
    converted: Converted,
    io: str | None,
    labels: tuple[str, ...],
    data: Dataset | None,
    samples: Array | None,
) -> _Parts:
    """Read both models back and hold the quantized one to what was promised."""
    info = read_model(converted.model)
    if io is not None:
        check_integer(info, io)
    source = converted.float_model
    reference = Variant(source, describe(read_model(source), labels)) if source else None
    return _Parts(name, converted, info, reference, Variant(converted.model, describe(info, labels)), data, samples)


def _title(name: str) -> str:
    """A name that may stand in a path and in a manifest."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:48] or "model"


def _fit(parts: _Parts, target: TargetProfile) -> tuple[Compiled | None, list[Finding]]:
    """The plan for a microcontroller, and what is to be said about the model there."""
    findings = fit.check(parts.info, target)
    fit.require(findings, target)
    if target.kind != "mcu":
        return None, findings
    planned = compile_model(parts.converted.model)
    findings += fit.check_plan(footprint(planned, target.port), target)
    fit.require(findings, target)
    return planned, findings


def _families(targets: Sequence[TargetProfile]) -> list[str]:
    return list(dict.fromkeys(target.runtime.kernels for target in targets))


def _evaluate(
    parts: _Parts, data: Dataset | None, targets: Sequence[TargetProfile], progress: Progress
) -> dict[str, dict[str, Any] | None]:
    """The evaluation for each kernel family among the targets."""
    if data is None:
        return dict.fromkeys(_families(targets))
    if parts.reference is None:
        raise UsageError(
            "The model is quantized already, so there is no float model to compare with.",
            "Leave --eval out, or build from the float model.",
        )
    progress(f"evaluating float and int8 on {len(data)} samples")
    reference = parts.reference
    return {family: evaluate(reference, parts.quantized, data, family) for family in _families(targets)}


def _golden(parts: _Parts, targets: Sequence[TargetProfile], progress: Progress) -> dict[str, Golden]:
    """The golden vectors for each kernel family among the targets."""
    progress("computing golden vectors")
    interface = parts.quantized.interface
    samples = parts.data.x if parts.samples is None and parts.data else parts.samples
    inputs = from_seed(interface) if samples is None else from_samples(interface, samples)
    return {family: make_golden(parts.converted.model, inputs, family) for family in _families(targets)}


def _bundle(
    parts: _Parts,
    target: TargetProfile,
    planned: Compiled | None,
    golden: Golden,
    evaluation: Mapping[str, Any] | None,
    out: Path,
) -> Bundle:
    runtime, info = target.runtime, parts.info
    members = {
        "model.tflite": parts.converted.model,
        "interface.json": canonical_json(parts.quantized.interface.to_json()),
        "golden.cbor": golden.encode(),
    }
    plan: dict[str, Any] = {}
    if planned:
        vectors = list(zip(golden.inputs, golden.outputs, strict=True))
        members[IMAGE] = planned.image(
            members["interface.json"],
            vectors,
            target=target.name,
            name=parts.name,
            tolerance=runtime.golden_tolerance,
        )
        plan = {"device_files": [IMAGE], "plan": told(planned)}
    manifest = {
        "edgeq": edgeq.__version__,
        "name": parts.name,
        "target": target.name,
        "arch": target.cpu.arch,
        "mode": fit.MODE,
        "model": {
            "macs": info.macs(),
            "ops": info.op_counts(),
            "weights_bytes": info.weights_bytes,
            "float_sha256": _digest(parts.converted.float_model),
        },
        "golden": {
            "vectors": len(golden.inputs),
            "kernels": runtime.kernels,
            "tolerance": runtime.golden_tolerance,
            "runtime": host_runtime(runtime.kernels),
        },
        "runtime": {
            "name": runtime.name,
            "version": runtime.version,
            "threads": runtime.threads,
            "wheels": _wheels(target),
        },
        "evaluation": evaluation,
        "calibration": _calibration(parts),
        "security_version": 0,
        **plan,
    }
    return write_bundle(out / f"{parts.name}-{target.name}", members, manifest)


def _calibration(parts: _Parts) -> dict[str, Any] | None:
    if parts.samples is None or parts.data is None:
        return None
    return {"samples": len(parts.samples), "data_sha256": parts.data.sha256}


def _digest(data: bytes) -> str | None:
    return hashlib.sha256(data).hexdigest() if data else None
