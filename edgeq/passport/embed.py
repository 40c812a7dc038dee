"""The passport inside a `.tflite`: a metadata buffer, so that the file alone tells where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from edgeq.errors import ArtifactError, UsageError
from edgeq.model.metadata import bare, named_buffer
from edgeq.passport.document import parse

NAME = "edgeq.passport"
WANTED_BYTES = 4 << 10
"""Parts are left out, one after the other, until a passport is no larger: models are small."""
MOST_BYTES = 64 << 10
"""What stays is never larger."""


def embedded(document: Mapping[str, Any], whole_sha256: str) -> bytes:
    """`document` as compact JSON, short of parts if it is large; `left_out` names these, `whole_sha256` is the digest
    of the whole. `UsageError` where even the least exceeds `MOST_BYTES`."""
    left_out: list[str] = []
    told = {**document, "whole_sha256": whole_sha256, "left_out": left_out}
    if "trained" in ((document["recipe"] or {}).get("told") or {}):
        told = _without_trained_ranges(told)
        left_out.append("trained ranges")
    for title, without in _STEPS:
        if len(_compact(told)) <= WANTED_BYTES:
            break
        told = without(told)
        left_out.append(title)
    data = _compact(told)
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"The passport takes {len(data):,} B of the {MOST_BYTES:,} B that a model has for it.",
            "Shorten the texts of [passport] and of the waivers in edgeq.toml.",
        )
    return data


def extract(model: bytes, where: str) -> dict[str, Any] | None:
    """The passport in the bytes of a `.tflite`; None where it has none.

    `ArtifactError` where it is damaged, or tells of another model than the one that it lies in.
    """
    data = named_buffer(model, NAME, MOST_BYTES)
    if data is None:
        return None
    document = parse(data, where)
    size, inside = document["model"]["size_bytes"], bare(model)
    own = inside[len(inside) - size :] if 0 < size <= len(inside) else b""
    if hashlib.sha256(own).hexdigest() != document["model"]["sha256"]:
        raise ArtifactError(
            f"The passport in {where} tells of another model than the one that it lies in.",
            "Somebody changed the file: fetch it again, or build it again.",
        )
    return document


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8"
    )


def _without_trained_ranges(told: dict[str, Any]) -> dict[str, Any]:
    """A number for each channel, whatever the size: the recipe's digest still covers them."""
    recipe = told["recipe"]
    kept = {key: value for key, value in recipe["told"].items() if key != "trained"}
    return {**told, "recipe": {**recipe, "told": kept}}


def _without_histograms(told: dict[str, Any]) -> dict[str, Any]:
    calibration = told["calibration"]
    if not calibration:
        return told
    inputs = {
        name: {key: value for key, value in each.items() if key != "histogram"}
        for name, each in calibration["inputs"].items()
    }
    return {**told, "calibration": {**calibration, "inputs": inputs}}


def _without_tensors(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "model": {**told["model"], "tensors": None}}


def _without_evidence(told: dict[str, Any]) -> dict[str, Any]:
    """The figures of the evaluation stay, its tables go."""
    found = told["evaluation"]
    plain = found and {key: value for key, value in found.items() if not isinstance(value, list | dict)}
    return {**told, "evaluation": plain}


def _without_choices(told: dict[str, Any]) -> dict[str, Any]:
    """What else may be long: names of classes, steps of preprocessing, settings."""
    build = told["build"]
    labels = build["labels"] and {**build["labels"], "names": None}
    calibration = told["calibration"] and {**told["calibration"], "classes": None}
    kept = {**build, "labels": labels, "preprocess": None, "evaluation": None}
    return {**told, "build": kept, "calibration": calibration}


def _without_findings(told: dict[str, Any]) -> dict[str, Any]:
    """Those that are waived stay: somebody answers for them."""
    return {**told, "findings": [each for each in told["findings"] if each["waived"]]}


_STEPS: tuple[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]], ...] = (
    ("histograms", _without_histograms),
    ("tensors", _without_tensors),
    ("tables of the evaluation", _without_evidence),
    ("labels and preprocessing", _without_choices),
    ("findings", _without_findings),
)
