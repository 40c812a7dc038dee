"""The names of a model's inputs, where its file tells them without TensorFlow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.model.tflite import read_model

MOST_CONFIG_BYTES = 64 << 20


def input_names(path: Path) -> tuple[str, ...]:
    """In the model's order; empty where the file does not tell them, or is not what it should be: others say so."""
    try:
        if path.suffix.lower() == ".tflite":
            names = [tensor.name for tensor in read_model(path.read_bytes()).inputs]
            return tuple(name.removeprefix("serving_default_").partition(":")[0] for name in names)
        if path.suffix.lower() == ".keras":
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo("config.json").file_size > MOST_CONFIG_BYTES:
                    return ()
                return _from_config(json.loads(archive.read("config.json")))
    except (EdgeqError, OSError, KeyError, ValueError, zipfile.BadZipFile, RecursionError):
        pass
    return ()


def _from_config(config: Any) -> tuple[str, ...]:
    """Of a functional model: each input is [layer, node, tensor], alone or in a list or map."""
    found: list[str] = []

    def walk(item: Any) -> None:
        if isinstance(item, list) and len(item) == 3 and isinstance(item[0], str):
            found.append(item[0])
        elif isinstance(item, (list, dict)):
            for each in item.values() if isinstance(item, dict) else item:
                walk(each)

    inside = config.get("config") if isinstance(config, dict) else None
    walk(inside.get("input_layers") if isinstance(inside, dict) else None)
    return tuple(found)
