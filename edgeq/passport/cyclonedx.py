"""A passport as CycloneDX 1.6 bill of materials (ML-BOM): a machine-learning model with its card, data and runtime.

Written here, since the official library (cyclonedx-python-lib 11) knows no model cards; the tests validate with it.
There is no time in it: the same passport gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from edgeq.passport.measured import Figure, figures
from edgeq.passport.origin import json_sha256

SPEC_VERSION = "1.6"
_MODEL = "model"


def cyclonedx(
    passport: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, file_sha256: str | None = None
) -> dict[str, Any]:
    """The document. `manifest` is that of the bundle, which tells the runtime and the digest of the model's file; of a
    file by itself `file_sha256` is given."""
    wheels = _wheels(manifest) if manifest else []
    others = _members(manifest) if manifest else []
    sha256 = manifest["files"]["model.tflite"]["sha256"] if manifest else file_sha256
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, json_sha256([passport, manifest, file_sha256]))}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [_tool(*each) for each in sorted(passport["versions"].items())]},
            "component": _component(passport, sha256),
        },
        "components": [*_data(passport), *others, *wheels],
        "dependencies": [
            {"ref": _MODEL, **_some(dependsOn=sorted(each["bom-ref"] for each in wheels))},
            *({"ref": each["bom-ref"]} for each in (*_data(passport), *others, *wheels)),
        ],
    }


def _some(**values: Any) -> dict[str, Any]:
    """Those that are not empty: the schema wants no empty lists, readers no empty texts."""
    return {key: value for key, value in values.items() if value}


def _tool(name: str, version: str | None) -> dict[str, Any]:
    return {"type": "application" if name == "edgeq" else "library", "name": name, **_some(version=version)}


def _sha256(content: str | None) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": content}] if content else []


def _component(passport: Mapping[str, Any], sha256: str | None) -> dict[str, Any]:
    about, model = passport["about"], passport["model"]
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": passport["name"],
        "version": model["sha256"][:12],
        "description": f"Built for {passport['target']} in the mode {passport['mode']}.",
        **_some(
            publisher=about.get("owner"),
            licenses=[{"license": {"name": about["license"]}}] if about.get("license") else [],
            hashes=_sha256(sha256),
        ),
        "pedigree": {"ancestors": _ancestors(passport["lineage"])},
        "modelCard": _card(passport),
        "properties": _properties(
            ("target", passport["target"]),
            ("mode", passport["mode"]),
            ("model_sha256", model["sha256"]),
            ("recipe_sha256", (passport["recipe"] or {}).get("sha256")),
            ("preprocess_sha256", passport["lineage"]["preprocess_sha256"]),
            ("target_sha256", passport["build"]["target_sha256"]),
            ("date", about.get("date")),
            ("contact", about.get("contact")),
        ),
    }


def _properties(*pairs: tuple[str, Any]) -> list[dict[str, str]]:
    return [{"name": f"edgeq:{name}", "value": str(value)} for name, value in pairs if value not in (None, "")]


def _ancestors(lineage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the model was made from: the float `.tflite` in between, and the file that was given."""
    kind, source = "machine-learning-model", lineage["source"]
    between = lineage["float_sha256"]
    return [
        *([{"type": kind, "name": "float.tflite", "hashes": _sha256(between)}] if between else []),
        {
            "type": kind,
            "name": source["spec"],
            "description": f"The model that was given ({source['kind']}); of a folder the digest is that of a list of "
            "all its files with their digests.",
            "hashes": _sha256(source["sha256"]),
        },
    ]


def _card(passport: Mapping[str, Any]) -> dict[str, Any]:
    about, model = passport["about"], passport["model"]
    parameters = {
        **_some(
            task=about.get("task"),
            modelArchitecture=about.get("architecture"),
            datasets=[{"ref": each["bom-ref"]} for each in _data(passport)],
        ),
        "inputs": [{"format": _format(tensor)} for tensor in model["inputs"]],
        "outputs": [{"format": _format(tensor)} for tensor in model["outputs"]],
    }
    metrics = [_metric(figure) for figure in figures(passport["evaluation"])]
    considerations = _some(
        useCases=_texts(about.get("intended_use")),
        technicalLimitations=[
            *_texts(about.get("limitations"), about.get("out_of_scope")),
            *(_finding(each) for each in passport["findings"]),
        ],
        performanceTradeoffs=_tradeoffs(passport),
        ethicalConsiderations=[{"name": about["ethics"]}] if about.get("ethics") else [],
    )
    return {
        "bom-ref": "model-card",
        "modelParameters": parameters,
        **_some(quantitativeAnalysis={"performanceMetrics": metrics} if metrics else {}, considerations=considerations),
        "properties": _properties(
            ("macs", model["macs"]),
            ("size_bytes", model["size_bytes"]),
            *((f"op:{name}", count) for name, count in sorted(model["ops"].items())),
        ),
    }


def _format(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['name']}: {tensor['dtype']} {list(tensor['shape'])}"


def _texts(*values: str | None) -> list[str]:
    return [value for value in values if value]


def _finding(finding: Mapping[str, Any]) -> str:
    waived = finding["waived"]
    end = f" (waived by {waived['by']}: {waived['reason']})" if waived else ""
    return f"{finding['severity']} {finding['code']}: {finding['message']}{end}"


def _tradeoffs(passport: Mapping[str, Any]) -> list[str]:
    found = [figure for figure in figures(passport["evaluation"]) if not figure.slice and figure.low is not None]
    return [
        f"{each.name}: {each.value:g} ({each.low:g} to {each.high:g}) on {each.samples} samples; {each.how}."
        for each in found
    ]


def _metric(figure: Figure) -> dict[str, Any]:
    """CycloneDX has texts for numbers; how a figure was obtained is in its type, where else there is no place."""
    interval = (
        {"lowerBound": repr(figure.low), "upperBound": repr(figure.high)}
        if figure.low is not None and figure.high is not None
        else {}
    )
    count = f", {figure.samples} samples" if figure.samples else ""
    return {
        "type": f"{figure.name} ({figure.how}{count})",
        "value": repr(figure.value),
        **_some(slice=figure.slice, confidenceInterval=interval),
    }


def _data(passport: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Calibration and evaluation data, as components of the type `data`."""
    lineage, calibration, evaluation = passport["lineage"], passport["calibration"], passport["evaluation"]
    found = []
    if calibration:
        told = f"{calibration['samples']} of {calibration['of']} samples, which calibrated the model."
        found.append(_dataset("calibration", lineage["data"], told, calibration["data_sha256"]))
    if evaluation:
        told = f"{evaluation.get('samples', 'Some')} labelled samples, on which the model was evaluated."
        found.append(_dataset("evaluation", lineage["eval"], told, evaluation.get("data_sha256")))
    return found


def _dataset(role: str, spec: str | None, told: str, sha256: object) -> dict[str, Any]:
    name = spec or role
    return {
        "type": "data",
        "bom-ref": f"data-{role}",
        "name": name,
        "description": told,
        "data": [
            {
                "type": "dataset",
                "name": name,
                "description": told,
                "contents": {"properties": _properties(("content_sha256", sha256))},
            }
        ],
    }


def _members(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The other files of the bundle."""
    return [
        {"type": "file", "bom-ref": f"file-{name}", "name": name, "hashes": _sha256(entry["sha256"])}
        for name, entry in sorted(manifest["files"].items())
        if name != "model.tflite"
    ]


def _wheels(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runtime that the bundle pins: each wheel that a device may get."""
    return [_wheel(wheel) for wheel in _unique(manifest["runtime"]["wheels"])]


def _unique(wheels: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The same wheel may serve several versions of Python."""
    return list({wheel["file"]: wheel for wheel in wheels}.values())


def _wheel(wheel: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"wheel-{wheel['file']}",
        "name": wheel["name"],
        "version": wheel["version"],
        "purl": f"pkg:pypi/{quote(wheel['name'])}@{quote(wheel['version'])}?file_name={quote(wheel['file'])}",
        "hashes": _sha256(wheel["sha256"]),
        "properties": _properties(("python", wheel["python"]), ("glibc", wheel["glibc"]), ("size", wheel["size"])),
    }
