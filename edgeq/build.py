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
from edgeq.model.describe import describe, read_labels
from edgeq.model.tflite import ModelInfo, read_model
from edgeq.quantize.convert import Converted, convert
from edgeq.quantize.evaluate import Variant, evaluate
from edgeq.quantize.golden import Golden, make_golden
from edgeq.quantize.host import host_runtime
from edgeq.quantize.verify import check_integer
from edgeq.runtimes import wheels_for
from edgeq.target import TargetProfile

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """One bundle. `evaluation` as docs/bundle.md has it, None without a labelled set; `findings` hold no errors."""

    bundle: Bundle
    model: ModelInfo
    evaluation: Mapping[str, Any] | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Parts:
    """What every target's bundle is made of; `samples` are those of `data` that the ranges were calibrated on."""

    name: str
    converted: Converted
    info: ModelInfo
    reference: Variant
    quantized: Variant
    data: Dataset
    samples: Array


def build(
    model: Path,
    targets: Sequence[TargetProfile],
    data: Path,
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
    """
    _check_targets(targets)
    names, dataset, labelled = read_labels(labels), read_dataset(data), _labelled(eval_data)
    chosen = subsample(dataset.x, samples)
    converted = convert(model, chosen, io=io, progress=progress)
    parts = _examine(
        _title(name or (model if model.name else model.resolve()).stem), converted, io, names, dataset, chosen
    )
    findings = [_fit(parts.info, target) for target in targets]
    evaluations = _evaluate(parts, labelled, targets, progress)
    golden = _golden(parts, targets, progress)
    built = []
    for target, found in zip(targets, findings, strict=True):
        family = target.runtime.kernels
        progress(f"writing the bundle for {target.name}")
        bundle = _bundle(parts, target, golden[family], evaluations[family], out)
        built.append(
            Built(bundle, parts.info, evaluations[family], (*found, *fit.same_runtime(host_runtime(), target)))
        )
    return built


def _check_targets(targets: Sequence[TargetProfile]) -> None:
    """Ask what can be asked before anything long starts."""
    if not targets:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    for target in targets:
        fit.require(fit.precheck(target), target)
        wheels_for(target.runtime.name, target.runtime.version, target.cpu.arch)
    host_runtime()


def _labelled(path: Path | None) -> Dataset | None:
    if path is None:
        return None
    data = read_dataset(path)
    data.classes()
    return data


def _examine(
    name: str, converted: Converted, io: str, labels: tuple[str, ...], data: Dataset, samples: Array
) -> _Parts:
    """Read both models back and hold the quantized one to what was promised."""
    info = read_model(converted.model)
    check_integer(info, io)
    reference = Variant(converted.float_model, describe(read_model(converted.float_model), labels))
    return _Parts(name, converted, info, reference, Variant(converted.model, describe(info, labels)), data, samples)


def _title(name: str) -> str:
    """A name that may stand in a path and in a manifest."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:48] or "model"


def _fit(info: ModelInfo, target: TargetProfile) -> list[Finding]:
    findings = fit.check(info, target)
    fit.require(findings, target)
    return findings


def _families(targets: Sequence[TargetProfile]) -> list[str]:
    return list(dict.fromkeys(target.runtime.kernels for target in targets))


def _evaluate(
    parts: _Parts, data: Dataset | None, targets: Sequence[TargetProfile], progress: Progress
) -> dict[str, dict[str, Any] | None]:
    """The evaluation for each kernel family among the targets."""
    if data is None:
        return dict.fromkeys(_families(targets))
    progress(f"evaluating float and int8 on {len(data)} samples")
    return {family: evaluate(parts.reference, parts.quantized, data, family) for family in _families(targets)}


def _golden(parts: _Parts, targets: Sequence[TargetProfile], progress: Progress) -> dict[str, Golden]:
    """The golden vectors for each kernel family among the targets."""
    progress("computing golden vectors")
    model, interface = parts.converted.model, parts.quantized.interface
    return {family: make_golden(model, interface, parts.samples, family) for family in _families(targets)}


def _bundle(
    parts: _Parts, target: TargetProfile, golden: Golden, evaluation: Mapping[str, Any] | None, out: Path
) -> Bundle:
    runtime, info = target.runtime, parts.info
    members = {
        "model.tflite": parts.converted.model,
        "interface.json": canonical_json(parts.quantized.interface.to_json()),
        "golden.cbor": golden.encode(),
    }
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
            "float_sha256": hashlib.sha256(parts.converted.float_model).hexdigest(),
        },
        "golden": {
            "vectors": len(golden.inputs),
            "kernels": runtime.kernels,
            "tolerance": runtime.golden_tolerance,
            "runtime": host_runtime(),
        },
        "runtime": {
            "name": runtime.name,
            "version": runtime.version,
            "threads": runtime.threads,
            "wheels": wheels_for(runtime.name, runtime.version, target.cpu.arch),
        },
        "evaluation": evaluation,
        "calibration": {"samples": len(parts.samples), "data_sha256": parts.data.sha256},
        "security_version": 0,
    }
    return write_bundle(out / f"{parts.name}-{target.name}", members, manifest)
