"""A bundle whose passport says something else, with every digest right: what somebody could make on purpose."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.model.metadata import with_metadata
from edgeq.passport.embed import NAME, embedded


def forged(bundle: Bundle, folder: Path, **changes: Any) -> Bundle:
    """`changes` by the passport's first keys; what is a mapping there is completed, not replaced."""
    document = json.loads(bundle.path("passport.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    members = {name: bundle.path(name).read_bytes() for name in bundle.files}
    members["passport.json"] = canonical_json(document)
    sha256 = hashlib.sha256(members["passport.json"]).hexdigest()
    buffers = {NAME: embedded(document, sha256)}
    model = with_metadata(members["model.tflite"], bundle.interface(), name=bundle.name, buffers=buffers)
    members["model.tflite"] = model
    return write_bundle(folder, members, {**bundle.manifest, "passport_sha256": sha256})
