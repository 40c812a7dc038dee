"""Bundles for tests, made from a model of our own (3 KB) without TensorFlow."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.interface import Interface, Tensor
from edgeq.protocol import cbor
from edgeq.runtime import Model, available

MODEL = Path(__file__).resolve().parents[1] / "cases" / "models" / "tiny_int8.tflite"
LABELS = ("left", "right", "none")


@cache
def tiny() -> tuple[bytes, Interface, tuple[list[list[bytes]], list[list[bytes]]]]:
    """The model, its interface, and golden vectors from the runtime that is installed here."""
    data = MODEL.read_bytes()
    model, rng = Model(data), np.random.default_rng(1)
    tensors = [tuple(Tensor(*info) for info in infos) for infos in (model.inputs, model.outputs)]
    inputs = [[rng.integers(-128, 128, info.size_bytes, np.int8).tobytes() for info in model.inputs] for _ in range(4)]
    return data, Interface(*tensors, labels=LABELS), (inputs, [model.invoke(sample) for sample in inputs])


def make_bundle(
    folder: Path,
    *,
    name: str = "tiny",
    arch: str = "",
    model: bytes | None = None,
    outputs: Callable[[bytes], bytes] = lambda data: data,
    wheels: list[dict[str, Any]] | None = None,
    interface: Interface | None = None,
    raw: list[dict[str, Any]] | None = None,
    **manifest: Any,
) -> Bundle:
    """A bundle for this machine. `outputs` may spoil the golden outputs, `model` and `interface` replace the model's;
    `raw` are golden vectors from raw inputs."""
    data, own, (inputs, golden) = tiny()
    runtime, version = available() or ("ai-edge-litert", "0")
    members = {
        "model.tflite": data if model is None else model,
        "interface.json": canonical_json((interface or own).to_json()),
        "golden.cbor": cbor.dumps(
            {
                "inputs": inputs,
                "outputs": [[outputs(data) for data in row] for row in golden],
                **({"raw": raw} if raw else {}),
            }
        ),
    }
    document = {
        "edgeq": "0.1.0",
        "name": name,
        "target": "linux-x86_64",
        "arch": arch or platform.machine(),
        "mode": "static_wi8_ai8",
        "model": {"macs": 1234, "ops": {"CONV_2D": 1}, "weights_bytes": 100, "float_sha256": "0" * 64},
        "golden": {"vectors": len(inputs), "kernels": "xnnpack", "tolerance": 1, "runtime": f"{runtime} {version}"},
        "runtime": {"name": runtime, "version": version, "threads": 1, "wheels": wheels or []},
        "evaluation": None,
        "calibration": {"samples": 4, "data_sha256": "0" * 64},
        "security_version": 0,
        **manifest,
    }
    return write_bundle(folder, members, document)
