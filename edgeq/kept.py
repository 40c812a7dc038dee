"""What a run keeps of the bundle that it benched, beside its name and digest: where it came from, and what it takes of
the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.bundle import IMAGE
from edgeq.fit import ram_bytes, slot_bytes
from edgeq.micro.footprint import footprint_of
from edgeq.target import TargetProfile


def provenance(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Digests and versions out of a bundle's manifest; null where it has none."""
    model, golden = manifest.get("model") or {}, manifest.get("golden") or {}
    files = manifest.get("files") or {}
    return {
        "edgeq": manifest.get("edgeq"),
        "model_sha256": (files.get("model.tflite") or {}).get("sha256"),
        "float_sha256": model.get("float_sha256"),
        "calibration": manifest.get("calibration"),
        "preprocess_sha256": manifest.get("preprocess_sha256"),
        "passport_sha256": manifest.get("passport_sha256"),
        "golden_runtime": golden.get("runtime"),
        "kernels": golden.get("kernels"),
        "ops": model.get("ops"),
    }


def fit(
    manifest: Mapping[str, Any], target: TargetProfile | None, facts: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """What the release takes of the target's RAM and flash, in bytes: `target`, and `ram` and `flash`, each with
    `needed_bytes`, `limit_bytes`, `parts` and `source`.

    On a microcontroller as planned; elsewhere of the RAM only the limit, as what is needed is measured, and `disk`
    where the device's `facts` say what is free on its own.
    """
    if target is None:
        return None
    plan = manifest.get("plan")
    if target.kind != "mcu" or not plan or IMAGE not in manifest["files"]:
        limit: dict[str, Any] = {"needed_bytes": None, "limit_bytes": target.ram_free_bytes, "parts": {}}
        ram = {**limit, "source": f"free RAM by the profile of {target.name}"}
        return {"target": target.name, "ram": ram, **_disk(manifest, facts or {})}
    needs = footprint_of(int(plan["arena_bytes"]), int(manifest["files"][IMAGE]["size"]), target.port)
    runtime = ram_bytes(needs, target) - needs.arena_bytes
    parts = {"arena": needs.arena_bytes, **({"runtime": runtime} if runtime else {})}
    return {
        "target": target.name,
        "ram": {
            "needed_bytes": ram_bytes(needs, target),
            "limit_bytes": target.ram_free_bytes,
            "parts": parts,
            "source": f"arena as planned; the runtime's data and stack as measured on {needs.measured_on}",
        },
        "flash": {
            "needed_bytes": needs.image_bytes,
            "limit_bytes": slot_bytes(needs, target),
            "parts": {"image": needs.image_bytes},
            "source": f"the image against one of two slots of {target.name}",
        },
    }


def _disk(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent of the release, against that and what is still free beside it: it lies there already. An emulator's
    disk is no board's."""
    free = facts.get("free_bytes")
    if not free or facts.get("emulated"):
        return {}
    tag = "cp" + "".join(str(facts.get("python")).split(".")[:2])
    wheels = [wheel for wheel in (manifest.get("runtime") or {}).get("wheels") or () if wheel.get("python") == tag]
    parts = {
        "bundle": sum(int(file["size"]) for file in manifest["files"].values()),
        "runtime": sum(int(wheel["size"]) for wheel in wheels),
    }
    needed = sum(parts.values())
    source = "the files of the bundle and the wheels of its runtime as they are sent, against them and what is free"
    return {"disk": {"needed_bytes": needed, "limit_bytes": needed + free, "parts": parts, "source": source}}
