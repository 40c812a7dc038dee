"""What a run keeps of its bundle: digests, versions, and what the release takes of the target."""

from __future__ import annotations

from typing import Any

from edgeq.kept import fit, provenance
from edgeq.target import load_target

MANIFEST: dict[str, Any] = {
    "edgeq": "0.1.0",
    "files": {"model.tflite": {"sha256": "ab" * 32, "size": 9000}, "image.eqi": {"sha256": "cd" * 32, "size": 10_000}},
    "model": {"float_sha256": None, "ops": {"CONV_2D": 3}},
    "golden": {"runtime": "ai-edge-litert 2.3.0", "kernels": "reference"},
    "calibration": {"samples": 100, "data_sha256": "ef" * 32},
    "passport_sha256": "01" * 32,
    "plan": {"arena_bytes": 4096},
}


def test_a_microcontroller_s_needs_add_up_and_have_their_limits() -> None:
    found = fit(MANIFEST, load_target("mps2-an386"))
    assert found is not None
    ram, flash = found["ram"], found["flash"]
    assert ram["needed_bytes"] == sum(ram["parts"].values()) >= 4096
    assert ram["parts"]["arena"] == 4096
    assert flash["needed_bytes"] == 10_000
    assert 0 < flash["needed_bytes"] < flash["limit_bytes"]
    assert "measured on" in ram["source"]


def test_elsewhere_only_the_limit_is_known_beforehand() -> None:
    target = load_target("rpi4")
    found = fit(MANIFEST, target)
    assert found is not None and "flash" not in found
    assert (found["ram"]["needed_bytes"], found["ram"]["limit_bytes"]) == (None, target.ram_free_bytes)
    assert fit(MANIFEST, None) is None


def test_a_device_with_a_disk_of_its_own_tells_what_is_free_on_it() -> None:
    wheels = [{"python": "cp311", "size": 500}, {"python": "cp312", "size": 900}]
    manifest, facts = {**MANIFEST, "runtime": {"wheels": wheels}}, {"free_bytes": 1_000_000, "python": "3.11.2"}
    found = fit(manifest, load_target("rpi4"), facts)
    assert found is not None
    assert found["disk"]["parts"] == {"bundle": 19_000, "runtime": 500}
    assert (found["disk"]["needed_bytes"], found["disk"]["limit_bytes"]) == (19_500, 1_019_500)
    for other in ({**facts, "emulated": True}, {"python": "3.11.2"}):
        assert "disk" not in (fit(manifest, load_target("rpi4"), other) or {})


def test_digests_and_versions_are_kept() -> None:
    told = provenance(MANIFEST)
    assert told["model_sha256"] == "ab" * 32
    assert told["calibration"]["samples"] == 100
    assert told["golden_runtime"] == "ai-edge-litert 2.3.0"
    assert told["float_sha256"] is None
    assert set(provenance({}).values()) == {None}
