"""The verb `finetune`: quantization-aware training of any model that converts to a float `.tflite`, in a worker."""

from __future__ import annotations

import importlib.util
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.building.materials import UNDECLARED, Declared
from edgeq.dataset import Dataset, open_dataset
from edgeq.errors import ConvertError, UsageError
from edgeq.evaluate.evaluation import evaluate
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.predict import Variant
from edgeq.finding import Finding, ordered
from edgeq.finetune.findings import findings
from edgeq.finetune.imported import is_marked
from edgeq.finetune.settings import Settings
from edgeq.model.describe import describe, read_labels
from edgeq.model.front_end import TFLITE, front_end
from edgeq.model.names import input_names
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import given_mode
from edgeq.quantize.prepare import labelled, prepared
from edgeq.quantize.process import run_worker, work_folder
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.recipe_file import RANGES, write_recipe
from edgeq.quantize.samples import store
from edgeq.quantize.trained import read_trained

QUANTIZED, RECIPE = "model.tflite", "recipe.toml"
FILES = (QUANTIZED, RANGES, RECIPE, "history.json", "summary.json")
"""What a training leaves in its folder, beside the float model (`float_name`); the summary is written last."""
KERNELS = "xnnpack"
_GRACE_S, _LONG_S = 1800.0, 14 * 86400.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Finetuned:
    """`folder` holds `FILES` and `float_model`; `summary` is the content of summary.json."""

    folder: Path
    summary: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def float_model(self) -> Path:
        """What `edgeq build` takes, with the recipe beside it."""
        return self.folder / str(self.summary["float_model"])


def float_name(model: Path, settings: Settings) -> str:
    """The name of the float model that is trained: a bundle has its name from it."""
    return f"{(model if model.name else model.resolve()).stem}-qat{settings.bits}.tflite"


def finetune(
    model: Path,
    data: str | Path,
    out: Path,
    *,
    settings: Settings | None = None,
    eval_data: str | Path | None = None,
    declared: Declared = UNDECLARED,
    use_labels: bool = True,
    folder: Path | None = None,
    progress: Progress = lambda _: None,
) -> Finetuned:
    """Train `model` on `data`, and write what came of it into `out`.

    Labels of `data` are used where it has some, unless `use_labels` is false; the float model is the teacher. The
    labelled set `eval_data` is looked at once, at the end. A model that was trained with quantization in mind already
    is taken over as it is. `UsageError` for what the caller can correct, `ConvertError` for what cannot be trained.
    """
    wanted = settings or Settings()
    kind = front_end(model)
    _refuse_quantized(model)
    _require_tensorflow(model, kind)
    _refuse_used(out, (*FILES, float_name(model, wanted)))
    opened = partial(open_dataset, inputs=input_names(model), folder=folder, progress=progress)
    classes = read_labels(declared.labels)
    learned = opened(data, classes=classes)
    judged = None
    if eval_data:
        judged = labelled(opened(eval_data, classes=classes or learned.classes), declared.preprocess, progress)
    with work_folder("The training") as place:
        _prepare(place, model, kind, learned, declared, wanted, use_labels)
        with stoppable(place, progress):
            limit_s = wanted.minutes * 60 + _GRACE_S if wanted.minutes else _LONG_S
            run_worker("edgeq.finetune.worker", place, "The training", progress, limit_s)
        found = json.loads((place / "result.json").read_text(encoding="utf-8"))
        evaluation = _evaluate(place, judged, progress)
        names = declared.labels if isinstance(declared.labels, Path) else None
        given = {"model": model, "data": data, "eval": eval_data, "labels": names}
        given = {key: str(value) if value else None for key, value in given.items()}
        return _write(place, out, {**given, "float_model": float_name(model, wanted)}, wanted, found, evaluation)


def _require_tensorflow(model: Path, kind: str) -> None:
    if importlib.util.find_spec("tensorflow") or (kind == TFLITE and is_marked(read_model(model.read_bytes()))):
        return
    raise UsageError("Training needs TensorFlow, which is not installed.", "pip install 'edgeq[finetune]'")


def _refuse_quantized(model: Path) -> None:
    given = given_mode(model)
    if given and not is_marked(read_model(given[0])):
        mode = given[1].mode if given[1] else "several modes in one"
        raise UsageError(
            f"'{model.name}' is quantized already ({mode}): what training needs is no longer in it.",
            "Give the float model that it was made from: .keras, .h5, a SavedModel or a float .tflite.",
        )


def _refuse_used(out: Path, names: Sequence[str]) -> None:
    if out.exists() and (not out.is_dir() or any(each.name not in names for each in out.iterdir())):
        raise UsageError(f"'{out}' holds something else.", "Give -o another folder, or an empty one.")


def _prepare(
    place: Path, model: Path, kind: str, data: Dataset, declared: Declared, settings: Settings, use_labels: bool
) -> None:
    samples = prepared(data, declared.preprocess, range(len(data)))
    if not len(samples):
        raise UsageError(f"'{data.spec}' holds no samples.", "Give some: labels are not needed.")
    store(samples, place)
    if use_labels and data.labels is not None:
        np.save(place / "labels.npy", data.labels)
    job = {"model": str(model.resolve()), "kind": kind, "names": list(samples.names), "settings": settings.to_json()}
    (place / "job.json").write_text(json.dumps(job), encoding="utf-8")


@contextmanager
def stoppable(folder: Path, progress: Progress) -> Iterator[None]:
    """Within it the first Ctrl-C asks the worker in `folder` to end with the best so far; the second one interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def asked(_number: int, _frame: Any) -> None:
        (folder / "stop").touch()
        signal.signal(signal.SIGINT, before)
        progress("stopping: the best so far is kept; Ctrl-C again gives everything up")

    signal.signal(signal.SIGINT, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _evaluate(place: Path, data: Labelled | None, progress: Progress) -> dict[str, Any]:
    """What the labelled set says of the model after training, and of the one without, each against the float one."""
    if data is None:
        return {}
    reference = _variant(place / "was-float.tflite")
    found: dict[str, Any] = {}
    for name, file in (("before", "was-before.tflite"), ("after", "quantized.tflite")):
        if (place / file).is_file():
            progress(f"evaluating on {len(data)} samples: {name}")
            found[name] = evaluate(reference, _variant(place / file), data, KERNELS).document
    return found


def _variant(path: Path) -> Variant:
    data = path.read_bytes()
    return Variant(data, describe(read_model(data)))


def _write(
    place: Path,
    out: Path,
    given: dict[str, Any],
    settings: Settings,
    found: dict[str, Any],
    evaluation: dict[str, Any],
) -> Finetuned:
    told = ordered(list(findings(found, evaluation)))
    summary = {
        "schema": 1,
        **given,
        "settings": settings.to_json(),
        **{key: value for key, value in found.items() if key != "history"},
        "evaluation": evaluation,
        "findings": [asdict(each) for each in told],
    }
    recipe = replace(Recipe.from_json(found["recipe"]), trained=read_trained(place / RANGES))
    texts = {
        RECIPE: write_recipe(recipe),
        "history.json": json.dumps(_plain(found["history"]), indent=1) + "\n",
        "summary.json": json.dumps(_plain(summary), indent=1) + "\n",
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, source in (
            (given["float_model"], "float.tflite"),
            (QUANTIZED, "quantized.tflite"),
            (RANGES,) * 2,
        ):
            _replace(out / name, (place / source).read_bytes())
        for name, text in texts.items():
            _replace(out / name, text.encode())
    except OSError as error:
        raise ConvertError(
            f"The results cannot be written to '{out}': {error.strerror}.", "Give another -o."
        ) from error
    return Finetuned(out, _plain(summary), tuple(told))


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
