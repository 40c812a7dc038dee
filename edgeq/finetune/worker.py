"""The training worker: `python -m edgeq.finetune.worker FOLDER FD`, started by `edgeq.finetune.finetune`.

FOLDER holds `job.json` (model, kind, settings, names), `samples-<i>.npy` and, where there are labels, `labels.npy`. A
file `stop` that appears there ends the training with the best so far. Results: `float.tflite`, `quantized.tflite`,
`ranges.json` and `result.json`, or `error.json`. One line per stage goes to the pipe FD.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.finetune.graph import Graph, read_graph
from edgeq.finetune.imported import is_marked, unmark
from edgeq.finetune.loss import VALUES, answers
from edgeq.finetune.result import OnGrid, with_values
from edgeq.finetune.scales import named_ranges, shared_ranges
from edgeq.finetune.settings import Settings, recipe_for
from edgeq.finetune.source import float_source
from edgeq.finetune.split import split
from edgeq.finetune.start import METHOD, start
from edgeq.finetune.student import Student, bits_of, weight_ranges
from edgeq.finetune.train import Fed, Steps, train
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.engine.ranges import ranges
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.float_model import check_float
from edgeq.quantize.outputs import Floats, Runner, sqnr_db
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.samples import Samples, each, stored
from edgeq.quantize.served import serve, tell

OBSERVED = 500
"""Samples that the ranges begin with: more no longer changes them."""


@dataclass(frozen=True)
class Work:
    """The job, read."""

    folder: Path
    settings: Settings
    samples: Samples
    labels: NDArray[np.int32] | None
    progress: Callable[[str], None]

    @property
    def classes(self) -> int:
        return 0 if self.labels is None else int(self.labels.max()) + 1

    def labels_at(self, places: Sequence[int]) -> NDArray[np.int32] | None:
        return None if self.labels is None else self.labels[list(places)]


def main(folder: Path, status: int) -> int:
    """Do the job in `folder`; exit code 0, or 1 where `error.json` says what went wrong."""
    # Importing TensorFlow makes millions of objects that all stay: until training begins, no garbage is looked for.
    gc.disable()
    return serve(folder, lambda: _serve(folder, status))


def _serve(folder: Path, status: int) -> None:
    told = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    labels = np.load(folder / "labels.npy").astype(np.int32) if (folder / "labels.npy").is_file() else None
    settings = Settings.from_json(told["settings"])
    work = Work(folder, settings, stored(folder, told["names"]), labels, lambda stage: tell(status, stage))
    found = _work(work, Path(told["model"]), told["kind"])
    (folder / "result.json").write_text(json.dumps(found), encoding="utf-8")


def _work(work: Work, path: Path, kind: str) -> dict[str, Any]:
    model = float_source(path, kind, work.progress)
    info = read_model(model)
    if is_marked(info):
        return _import(work, model)
    check_float(model)
    return _train(work, model)


def _train(work: Work, model: bytes) -> dict[str, Any]:
    settings = work.settings
    recipe = recipe_for(read_model(model), settings.bits, settings.mixed)
    learned_from, held_back = split(len(work.samples), work.labels, settings.held_back, settings.seed)
    seen = work.samples.choose(learned_from[:OBSERVED])
    work.progress(f"observing the float model on {len(seen)} samples")
    begun = start(model, seen, recipe)
    graph = begun.graph
    learn, held = (_feed(work, graph, places) for places in (learned_from, held_back))
    ends = answers(graph, work.classes)
    if ends[-1].kind != VALUES:
        _check_labels(work, graph)
    work.progress("loading TensorFlow")
    tf = _tensorflow()
    tf.random.set_seed(settings.seed)
    bits = bits_of(graph, recipe)
    student = Student(tf, graph, begun.ranges, bits)
    steps = Steps(tf, graph, student, ends, work.labels is not None)
    work.progress(f"training on {len(learn)} samples, {len(held)} held back")
    done = train(student, steps, learn, held, settings, work.progress, (work.folder / "stop").exists)
    work.progress("writing the quantized model")
    learned = student.learned()
    made = OnGrid(
        with_values(begun.model, learned.values),
        named_ranges(graph, learned.ranges),
        weight_ranges(graph, learned, bits),
    )
    models = {"float": model, "before": quantize(model, seen, recipe)}
    right = held.labels if ends[-1].kind != VALUES else None
    got = steps.answers(held, settings.batch)
    judged = _judged(work, made, recipe, work.samples.choose(held_back), right, models, got)
    return {
        "kind": "trained",
        "recipe": recipe.to_json(),
        "labelled": right is not None,
        "equalized": begun.equalized,
        "augment": done.augment,
        "ended": done.ended,
        "best_epoch": done.best,
        "samples": {"train": len(learn), "held_back": len(held)},
        "history": done.told(),
        **judged,
    }


def _import(work: Work, model: bytes) -> dict[str, Any]:
    work.progress("the model was trained with quantization in mind: taking over its ranges")
    marked = unmark(model, read_model(model))
    check_float(marked.model)
    graph = read_graph(marked.model)
    known = dict(marked.ranges)
    if marked.open_tensors:
        seen = work.samples.choose(range(min(OBSERVED, len(work.samples))))
        found = ranges(observe(marked.model, seen), Ranging(METHOD))
        known = {**{name: found[name] for name in marked.open_tensors}, **known}
    made = OnGrid(marked.model, named_ranges(graph, shared_ranges(graph, known)), marked.weights)
    ends = answers(graph, work.classes)
    right = work.labels if ends[-1].kind != VALUES else None
    judged = _judged(work, made, Recipe(), work.samples, right, {"float": marked.model}, None)
    return {
        "kind": "imported",
        "recipe": Recipe().to_json(),
        "labelled": right is not None,
        "own_ranges": len(marked.ranges),
        "observed_ranges": list(marked.open_tensors),
        "moved_weights": list(marked.moved_weights),
        "samples": {"train": 0, "held_back": len(work.samples)},
        "history": [],
        **judged,
    }


def _judged(
    work: Work,
    made: OnGrid,
    recipe: Recipe,
    samples: Samples,
    labels: NDArray[np.int32] | None,
    models: dict[str, bytes],
    graph_answers: Floats | None,
) -> dict[str, Any]:
    """Write the results into the folder, and say how each model does on `samples`."""
    quantized = made.write(recipe)
    for name, model in models.items():
        (work.folder / f"was-{name}.tflite").write_bytes(model)
    (work.folder / "float.tflite").write_bytes(made.model)
    (work.folder / "quantized.tflite").write_bytes(quantized)
    (work.folder / "ranges.json").write_text(json.dumps(made.trained.to_json(), indent=1), encoding="utf-8")
    work.progress(f"comparing on {len(samples)} samples")
    wanted = Runner(models["float"]).answers(samples)
    names = {name: model for name, model in models.items() if name != "float"} | {"after": quantized}
    found = {name: Runner(model).answers(samples) for name, model in names.items()}
    figures = {name: _figures(wanted, got, labels) for name, got in {"float": wanted, **found}.items()}
    if graph_answers is not None:
        figures["graph"] = _figures(wanted, graph_answers, labels)
        same = graph_answers.argmax(axis=1) == found["after"].argmax(axis=1)
        figures["after"]["graph_agreement"] = float(same.mean())
        figures["after"]["graph_sqnr_db"] = sqnr_db(graph_answers, found["after"])
    return {"figures": figures, "bytes": {name: len(model) for name, model in names.items()}}


def _figures(wanted: Floats, got: Floats, labels: NDArray[np.int32] | None) -> dict[str, float | None]:
    """Against the float model, and against what is true."""
    answer = got.argmax(axis=1) if got.shape[1] > 1 else (got[:, 0] > 0).astype(np.int64)
    return {
        "sqnr_db": sqnr_db(wanted, got),
        "agreement": float((wanted.argmax(axis=1) == got.argmax(axis=1)).mean()),
        "accuracy": None if labels is None else float((answer == labels).mean()),
    }


def _feed(work: Work, graph: Graph, places: Sequence[int]) -> Fed:
    """The samples at `places`, as the model's inputs."""
    chosen = work.samples.choose(list(places))
    inputs = graph.info.inputs
    arrays = [np.empty((len(chosen), *tensor.shape[1:]), tensor.dtype) for tensor in inputs]
    for row, values in enumerate(each(chosen, inputs)):
        for array, value in zip(arrays, values, strict=True):
            array[row] = value[0]
    return Fed(arrays, work.labels_at(places))


def _tensorflow() -> Any:
    """For training, which leaves garbage."""
    from edgeq.model.tf import tensorflow

    module = tensorflow()
    gc.freeze()
    gc.enable()
    return module


def _check_labels(work: Work, graph: Graph) -> None:
    classes = int(np.prod(graph.info.outputs[-1].shape[1:]))
    most = max(classes, 2)
    if work.labels is not None and work.labels.max() >= most:
        raise UsageError(
            f"The labels go up to {work.labels.max()}; the model's last output knows {most} classes (0..{most - 1}).",
            "Number the labels as the model's outputs are numbered, or train without them (--unlabelled).",
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
