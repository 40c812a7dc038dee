"""What is evaluated: a model's file or a bundle, as a model that runs here with what its numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.bundle import MANIFEST, read_bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.evaluate.predict import Variant
from edgeq.model.describe import describe, read_labels
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.metadata import labels_of
from edgeq.model.tflite import read_model
from edgeq.preprocess import Preprocess, PreprocessError, parse
from edgeq.quantize.convert import convert
from edgeq.quantize.host import MICRO
from edgeq.quantize.recipe import Recipe
from edgeq.runtime import KERNELS

XNNPACK = "xnnpack"


@dataclass(frozen=True)
class Subject:
    """`kernels` are those that the model is run with here; `preprocess` is what a bundle ships, else None."""

    variant: Variant
    kernels: str
    preprocess: Preprocess | None = None
    shipped: bool = False


def open_subject(
    path: Path, labels: Sequence[str] | Path | None, kernels: str, progress: Callable[[str], None]
) -> Subject:
    """A bundle's folder, a `.tflite`, or a float model that is converted first, as it is. Errors as those of these."""
    known = (*KERNELS, MICRO)
    if kernels and kernels not in known:
        raise UsageError(f"There are no kernels '{kernels}'.", f"Use one of {', '.join(known)}.")
    if (path / MANIFEST).is_file():
        bundle = read_bundle(path)
        interface = bundle.interface()
        family = kernels or bundle.manifest["golden"]["kernels"]
        return Subject(
            Variant(bundle.path("model.tflite").read_bytes(), interface),
            family,
            _preprocess(interface.preprocess),
            True,
        )
    if not path.exists():
        raise UsageError(f"The model '{path}' does not exist.", "Name a model's file, a SavedModel or a bundle.")
    if front_end(path) == TFLITE:
        model = path.read_bytes()
    else:
        model = convert(path, None, recipe=Recipe("float32"), progress=progress).model
    info = read_model(model)
    names = read_labels(labels)
    if not names:
        own = labels_of(model)
        names = own if len(own) == _values(describe(info).outputs[-1].shape) else ()
    return Subject(Variant(model, describe(info, names)), kernels or XNNPACK)


def _values(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape[1:]:
        count *= extent
    return count


def _preprocess(found: object) -> Preprocess | None:
    try:
        return parse(found) if found else None  # type: ignore[arg-type]
    except PreprocessError as error:
        raise ArtifactError(f"The bundle's preprocessing is damaged: {error.message}", error.hint) from error
