"""The last stage of a build: members and manifest of one target's bundle (docs/bundle.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edgeq
from edgeq.bundle import IMAGE, Bundle, canonical_json, write_bundle
from edgeq.interface import Interface
from edgeq.micro.compile import Compiled
from edgeq.micro.footprint import told
from edgeq.micro.linux import MEMBER as LIBRARY
from edgeq.micro.linux import linux_library
from edgeq.micro.policy import PLAIN, policy_bytes
from edgeq.model.metadata import with_metadata
from edgeq.model.tflite import ModelInfo
from edgeq.passport import baseline, document
from edgeq.passport.embed import NAME as PASSPORT
from edgeq.passport.embed import embedded
from edgeq.quantize.convert import Converted
from edgeq.quantize.golden import Golden
from edgeq.quantize.host import host_runtime
from edgeq.runtimes import WHEELED, wheels_for
from edgeq.target import TargetProfile
from edgeq.transaction.confirm import ConfirmPolicy


@dataclass(frozen=True)
class Ingredients:
    """What a bundle is made of: the model with everything that was found out about it for one family of kernels, and
    what devices ask of it."""

    name: str
    mode: str
    converted: Converted
    info: ModelInfo
    interface: Interface
    golden: Golden
    evaluation: Mapping[str, Any] | None
    calibration: Mapping[str, Any] | None
    confirm: ConfirmPolicy = field(default_factory=ConfirmPolicy)
    security_version: int = 0


@dataclass(frozen=True)
class Papers:
    """What comes with the model for people and for later: its passport, and the baseline where there was data."""

    passport: Mapping[str, Any]
    baseline: Mapping[str, Any] | None


def assemble(made: Ingredients, target: TargetProfile, planned: Compiled | None, papers: Papers, out: Path) -> Bundle:
    """Write `out/<name>-<target>/`; `planned` is the plan for a microcontroller."""
    interface, passport = canonical_json(made.interface.to_json()), canonical_json(papers.passport)
    sha256 = hashlib.sha256(passport).hexdigest()
    buffers = {PASSPORT: embedded(papers.passport, sha256)}
    members = {
        "model.tflite": with_metadata(made.converted.model, made.interface, name=made.name, buffers=buffers),
        "interface.json": interface,
        "golden.cbor": made.golden.encode(),
        document.MEMBER: passport,
        **({baseline.MEMBER: canonical_json(papers.baseline)} if papers.baseline else {}),
    }
    if planned:
        members[IMAGE] = _image(made, target, planned, interface)
        if target.kind == "linux":
            members[LIBRARY] = linux_library(target.cpu.arch).read_bytes()
    manifest = {**_manifest(made, target, planned), "passport_sha256": sha256}
    return write_bundle(out / f"{made.name}-{target.name}", members, manifest)


def _image(made: Ingredients, target: TargetProfile, planned: Compiled, interface: bytes) -> bytes:
    vectors = list(zip(made.golden.inputs, made.golden.outputs, strict=True))
    raws = list(zip(made.golden.raws, made.golden.raw_outputs, strict=True))
    tolerance = target.runtime.golden_tolerance
    return planned.image(
        interface,
        vectors,
        raws,
        target=target.name,
        name=made.name,
        tolerance=tolerance,
        security_version=made.security_version,
        confirm=policy_bytes(made.confirm) if target.kind == "mcu" else PLAIN,
    )


def _manifest(made: Ingredients, target: TargetProfile, planned: Compiled | None) -> dict[str, Any]:
    runtime, info, float_model = target.runtime, made.info, made.converted.float_model
    return {
        "edgeq": edgeq.__version__,
        "name": made.name,
        "target": target.name,
        "arch": target.cpu.arch,
        "mode": made.mode,
        "model": {
            "macs": info.macs(),
            "ops": info.op_counts(),
            "weights_bytes": info.weights_bytes,
            "float_sha256": hashlib.sha256(float_model).hexdigest() if float_model else None,
        },
        "golden": {
            "vectors": len(made.golden.inputs),
            "raw": len(made.golden.raws),
            "input_sha256": made.golden.input_sha256,
            "kernels": runtime.kernels,
            "tolerance": runtime.golden_tolerance,
            "runtime": host_runtime(runtime.kernels),
        },
        "runtime": {
            "name": runtime.name,
            "version": runtime.version,
            "threads": runtime.threads,
            "wheels": runtime_wheels(target),
            **({"path": runtime.path} if runtime.path else {}),
        },
        "evaluation": made.evaluation,
        "calibration": made.calibration,
        "preprocess_sha256": made.interface.preprocess_sha256,
        "security_version": made.security_version,
        **({"confirm": made.confirm.to_json()} if made.confirm.to_json() else {}),
        **({"plan": told(planned)} if planned else {}),
        **({"device_files": [IMAGE]} if target.kind == "mcu" else {}),
    }


def runtime_wheels(target: TargetProfile) -> list[dict[str, Any]]:
    """The wheels of a target's runtime; none where it is in the firmware, in the application, or the system's own."""
    if target.kind != "linux" or target.runtime.name not in WHEELED:
        return []
    return wheels_for(target.runtime.name, target.runtime.version, target.cpu.arch)


def title_of(name: str) -> str:
    """A name that may stand in a path and in a manifest."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:48].rstrip("-.") or "model"
