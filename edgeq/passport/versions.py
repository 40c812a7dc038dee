"""The versions of everything that has a say in the bytes of a bundle."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

import edgeq
from edgeq import runtime

PACKAGES = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "litert-quantizer": ("litert-quantizer",)}
"""What does not take part in every build: its name here, and those of its packages."""


def versions(*, converted: bool, quantized: bool) -> dict[str, str | None]:
    """Name -> version, None for what is not installed. TensorFlow is told where the model was `converted` to `.tflite`,
    the quantizer where it was `quantized` here."""
    found: dict[str, str | None] = {
        "edgeq": edgeq.__version__,
        "python": platform.python_version(),
        "numpy": _version("numpy"),
    }
    there = runtime.available()
    if there:
        found[there[0]] = there[1]
    took_part = {"tensorflow": converted, "litert-quantizer": quantized}
    return found | {name: _version(*packages) for name, packages in PACKAGES.items() if took_part[name]}


def other_versions(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> dict[str, tuple[str, str]]:
    """What has another version: name -> (then, now), "none" where it is missing."""
    names = sorted({*then, *now})
    pairs = {name: (then.get(name) or "none", now.get(name) or "none") for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _version(*packages: str) -> str | None:
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None
