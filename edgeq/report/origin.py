"""Where what was benched came from: digests, recipe, data and tools, as labels and texts; only what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.report.evidence import Evidence
from edgeq.report.figures import mapping
from edgeq.run import SCHEMA, Run


def origin(run: Run, found: Evidence) -> Iterator[tuple[str, str]]:
    """Label and text, from the bundle to the bench. Digests are SHA-256, whole: they are there to be compared."""
    release, kept = run.release, mapping(run.release.get("provenance"))
    lineage, recipe = mapping(found.passport.get("lineage")), mapping(found.passport.get("recipe"))
    evaluation = mapping(release.get("evaluation"))
    source = mapping(lineage.get("source"))
    rows = (
        ("Bundle", release.get("digest")),
        ("Model", kept.get("model_sha256")),
        ("Float model", kept.get("float_sha256")),
        ("Source", _told(source.get("sha256"), source.get("spec"), source.get("kind"))),
        ("Recipe", _told(recipe.get("sha256"), mapping(recipe.get("told")).get("mode") or release.get("mode"))),
        ("Calibration", _data(mapping(kept.get("calibration")))),
        ("Evaluation", _data(evaluation)),
        ("Preprocessing", kept.get("preprocess_sha256")),
        ("Passport", kept.get("passport_sha256")),
        ("Golden vectors", _golden(kept)),
        ("Built with", _versions(found.passport, kept)),
        ("Benched with", f"edgeq {run.edgeq}, run.json read as schema {SCHEMA}" if run.edgeq else None),
    )
    yield from ((label, str(text)) for label, text in rows if text)


def _told(digest: Any, *words: Any) -> str:
    said = ", ".join(str(word) for word in words if word)
    return f"{said}; {digest}" if digest and said else str(digest or said)


def _data(told: Mapping[str, Any]) -> str:
    samples, digest = told.get("samples"), told.get("data_sha256")
    counted = f"{samples} samples" if samples else ""
    return "; ".join(str(part) for part in (counted, digest) if part)


def _golden(kept: Mapping[str, Any]) -> str:
    runtime, kernels = kept.get("golden_runtime"), kept.get("kernels")
    return f"made with {runtime}{f', {kernels} kernels' if kernels else ''}" if runtime else ""


def _versions(passport: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    versions = mapping(passport.get("versions"))
    if versions:
        return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return f"edgeq {kept['edgeq']}" if kept.get("edgeq") else ""
