"""The passport of a bundle, and of a model file by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq.bundle import Bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.passport.document import MEMBER, MOST_BYTES, parse
from edgeq.passport.embed import extract

MOST_MODEL_BYTES = 1 << 31


def passport_of(bundle: Bundle) -> dict[str, Any]:
    """The passport of a bundle, whose members `read_bundle` has checked.

    `UsageError` where it has none, `ArtifactError` where it is damaged, or is not the one that its model belongs to.
    """
    if MEMBER not in bundle.files:
        raise UsageError(f"The bundle '{bundle.folder}' has no passport.", "Build it again with this edgeq.")
    sha256, size = bundle.files[MEMBER]
    if size > MOST_BYTES:
        raise ArtifactError(f"The passport of '{bundle.folder}' is larger than {MOST_BYTES >> 20} MiB.", "Build again.")
    document = parse(bundle.path(MEMBER).read_bytes(), f"'{bundle.folder}'")
    inside = extract(bundle.path("model.tflite").read_bytes(), f"'{bundle.folder / 'model.tflite'}'")
    if inside is None or inside.get("whole_sha256") != sha256:
        raise ArtifactError(
            f"The model in '{bundle.folder}' does not belong to the passport beside it.", "Build the bundle again."
        )
    return document


def passport_in(path: Path) -> dict[str, Any]:
    """The passport that a `.tflite` file carries; `UsageError` where it has none."""
    try:
        if path.stat().st_size > MOST_MODEL_BYTES:
            raise UsageError(f"'{path}' is larger than any .tflite file.", "Give a .tflite file, or a bundle.")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}.", "Give a .tflite file, or a bundle.") from error
    if data[4:8] != b"TFL3":
        raise UsageError(f"'{path}' is no .tflite model.", "Give a .tflite file, or a bundle.")
    found = extract(data, f"'{path}'")
    if found is None:
        raise UsageError(f"The model '{path}' carries no passport.", "'edgeq build' writes one into the model.")
    return found
