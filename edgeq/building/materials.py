"""What a build is given beside the model, opened and looked into: representative data, a labelled set, raw inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeq.asked import Asked
from edgeq.dataset import Dataset
from edgeq.evaluate.labelled import Labelled
from edgeq.interface import Interface
from edgeq.micro.compile import Compiled
from edgeq.micro.frontend.golden import golden_raw
from edgeq.model.describe import read_labels
from edgeq.preprocess import Preprocess, Raw
from edgeq.project import Project
from edgeq.quantize.golden import spread
from edgeq.quantize.prepare import labelled, model_input, prepared, raw_input
from edgeq.quantize.samples import Samples
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.waiver import Waiver

RAW_GOLDEN = 2
"""How many golden vectors begin with raw input; on microcontrollers one does, of the first MICRO_TRIES that will do."""
MICRO_TRIES = 8


@dataclass(frozen=True)
class Declared:
    """What the project says, and the model's file does not know: of its interface, of findings that somebody answers
    for, what devices ask of it on trial, and `about` the model (docs/passport.md). `recipe_file` is where the recipe
    was read from."""

    labels: Sequence[str] | Path | None = None
    preprocess: Preprocess | None = None
    threshold: float | None = None
    smoothing: int = 1
    evaluation: Asked = field(default_factory=Asked)
    waivers: Sequence[Waiver] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    recipe_file: Path | None = None
    confirm: ConfirmPolicy = field(default_factory=ConfirmPolicy)
    security_version: int = 0


UNDECLARED = Declared()


def declared_by(project: Project, labels: Path | None = None) -> Declared:
    """All of it from `edgeq.toml`; `labels` of a command come first, and `recipe_file` is left to who reads it."""
    return Declared(
        labels=labels or project.labels,
        preprocess=project.preprocess,
        threshold=project.threshold,
        smoothing=project.smoothing,
        evaluation=project.evaluation,
        waivers=project.waivers,
        about=project.about,
        confirm=project.confirm,
        security_version=project.security_version,
    )


@dataclass(frozen=True)
class Materials:
    """The representative data with the places of the samples that are used and the digest of these, and the labelled
    set; `classes` are the names of the classes in the order of the labels, as far as anything tells them."""

    preprocess: Preprocess | None
    calibration: Dataset | None = None
    places: Sequence[int] = ()
    data_sha256: str = ""
    evaluation: Labelled | None = None
    classes: tuple[str, ...] = ()

    @property
    def samples(self) -> Samples | None:
        """What calibrates, as the model's inputs."""
        return prepared(self.calibration, self.preprocess, self.places) if self.calibration else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed in the data."""
        both = (self.calibration.notes if self.calibration else (), self.evaluation.notes if self.evaluation else ())
        return tuple(dict.fromkeys(note for notes in both for note in notes))

    def told(self) -> dict[str, Any] | None:
        """The `calibration` of a manifest (docs/bundle.md)."""
        if self.calibration is None:
            return None
        return {"samples": len(self.places), "data_sha256": self.data_sha256}


def open_materials(
    data: str | Path | None,
    eval_data: str | Path | None,
    declared: Declared,
    count: int | None,
    opened: Callable[..., Dataset],
    progress: Callable[[str], None],
) -> Materials:
    """Open what was given, each by `opened(spec, classes=...)`; the labelled set is numbered as the labels are."""
    classes = read_labels(declared.labels)
    found = Materials(declared.preprocess)
    if data:
        calibration = opened(data)
        places = calibration.choose(count)
        sha256 = calibration.digest(places, progress)
        found = replace(found, calibration=calibration, places=places.tolist(), data_sha256=sha256)
        classes = classes or calibration.classes
    if eval_data:
        columns = declared.evaluation.columns
        evaluation = opened(eval_data, classes=classes, columns=columns)
        found = replace(found, evaluation=labelled(evaluation, declared.preprocess, progress, columns))
        classes = classes or evaluation.classes
    return replace(found, classes=classes)


def raws(given: Materials, interface: Interface) -> Iterator[tuple[Raw, list[bytes]]]:
    """Raw inputs with what is made of them, where the data has such; the model has one input then."""
    if given.calibration is None or given.preprocess is None or len(interface.inputs) > 1:
        return
    tensor = interface.inputs[0]
    for place in spread(len(given.places), RAW_GOLDEN):
        (raw,) = given.calibration.read(given.places[place])
        taken = raw_input(raw, given.preprocess)
        if taken is not None:
            values = model_input(taken, given.preprocess).reshape(tensor.shape)
            yield taken, [tensor.quantize(values).tobytes()]


def micro_raws(given: Materials, planned: Sequence[Compiled]) -> Iterator[tuple[Raw, list[bytes]]]:
    """One raw input, since it grows every image, with what a microcontroller makes of it."""
    program = next((each.frontend for each in planned if each.frontend), None)
    if program is None or given.calibration is None:
        return
    calibration = given.calibration
    places = spread(len(given.places), MICRO_TRIES)
    taken = (raw_input(calibration.read(given.places[place])[0], given.preprocess) for place in places)
    found = golden_raw(program, (raw for raw in taken if raw is not None))
    if found:
        yield found[0], [found[1]]
