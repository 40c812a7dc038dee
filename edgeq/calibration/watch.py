"""The task in the worker: a float model on all samples, and what was seen of it as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.curve import measure
from edgeq.calibration.evidence import FirstLayer, Floats, ModelFacts, NormFit, Point, TensorUse, Trial
from edgeq.calibration.first_layer import first_layer, first_sum
from edgeq.calibration.trials import try_all
from edgeq.dataset.options import Ticker
from edgeq.model.info import ModelInfo
from edgeq.model.norms import Norm
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.statistics import Statistics, TensorStatistics, observe
from edgeq.quantize.outputs import SQUASHING, Runner, answer
from edgeq.quantize.samples import each
from edgeq.quantize.task import Job

_CLASSES = (2, 10_000)
_TAIL = 0.0005
_CHANNELS = 8


def watch(job: Job) -> dict[str, Any]:
    """`options`: how many of the samples are of the calibration set, which comes first, its `labels` or None, and the
    `norm` of the first layer (`edgeq.model.norms`) where it is known."""
    info = read_model(job.model)
    count, labels = job.options["calibration"], job.options["labels"]
    norm = job.options.get("norm")
    numbers = None if labels is None else np.array(labels, np.int64)
    calibration = job.samples.choose(range(count))
    ticker = Ticker(job.progress, "observing the float model", count)
    statistics = observe(job.model, calibration, histograms=True, progress=ticker.tell)
    runner = Runner(job.model)
    place = answer(info)
    outputs, features = _pass(runner, job, info, place)
    classes = _classes(info, place, numbers)
    answers = _of_two(outputs) if classes == 2 else outputs
    autoencoder = not classes and info.outputs[-1].elements == info.inputs[0].elements > 1
    trials: list[Trial] = []
    if len(info.inputs) == 1 and info.inputs[0].dtype == "float32" and (classes or autoencoder):
        job.progress("trying other scales and orders")
        # As the model takes them: integers would wrap around where a change goes beyond their type.
        inputs = [np.asarray(values[0], np.float32) for values in each(calibration, info.inputs)]

        def asked(x: NDArray[Any]) -> Floats:
            runner.run([x])
            said = np.array(runner.tensor(place).ravel())
            return _of_two(said[None])[0] if classes == 2 else said

        trials = try_all(inputs, answers[:count], numbers, asked, autoencoder)
    job.progress("measuring how many samples it takes")
    ordered = _ordered(statistics, info)
    extremes = np.array([np.maximum(abs(tensor.lows), abs(tensor.highs)) for tensor in ordered], np.float32)
    found = ModelFacts(
        classes,
        autoencoder,
        info.outputs[-1].elements > 4 * info.inputs[0].elements,
        info.inputs[0].dtype,
        answers[:count],
        extremes,
        tuple(map(_use, ordered)),
        first_layer(job.model, info, calibration, Norm.from_json(norm) if norm else None),
        features[:count],
        features[count:],
        tuple(trials),
        tuple(measure(job.model, statistics, calibration, extremes, outputs[:count])),
    )
    return _packed(found)


def _pass(runner: Runner, job: Job, info: ModelInfo, place: int) -> tuple[Floats, Floats]:
    """Answers and features of all samples: mean and deviation of each channel of the input and of the first layer."""
    first = first_sum(info)
    ends = [info.subgraphs[0].inputs[0], *([] if first is None else [first[1].outputs[0]])]
    answers, features = [], []
    ticker = Ticker(job.progress, "running the float model", len(job.samples))
    for values in each(job.samples, info.inputs):
        runner.run(values)
        answers.append(runner.tensor(place).ravel())
        features.append(np.concatenate([_channels(runner.tensor(end)) for end in ends]))
        ticker.tell()
    return np.array(answers, np.float32), np.array(features, np.float32)


def _channels(values: Floats) -> Floats:
    """Where there are places, mean and deviation of each channel; else the values themselves."""
    rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)
    return rows[0] if len(rows) == 1 else np.concatenate([rows.mean(axis=0), rows.std(axis=0)])


def _classes(info: ModelInfo, place: int, labels: NDArray[np.int64] | None) -> int:
    """How many classes the model tells apart; 0 where it does not look like that."""
    output = info.outputs[-1]
    count = output.shape[-1] if output.shape else 0
    last = info.subgraphs[0].operators[-1]
    if output.elements == 1 and last.name == "LOGISTIC" and place in last.inputs:
        return 2
    if output.elements != count or not _CLASSES[0] <= count <= _CLASSES[1]:
        return 0
    squashed = any(operator.name in SQUASHING for operator in info.subgraphs[0].operators[-2:])
    squashed = squashed and place != info.subgraphs[0].outputs[-1]
    fitting = labels is not None and len(labels) > 0 and int(labels.max()) < count
    return count if squashed or fitting else 0


def _of_two(answers: Floats) -> Floats:
    """(n, 2): a sigmoid of one value is a softmax of 0 and that value."""
    return np.insert(answers, 0, 0, axis=1) if answers.shape[1] == 1 else answers


def _ordered(statistics: Statistics, info: ModelInfo) -> list[TensorStatistics]:
    """Inputs first."""
    inputs = [tensor.name for tensor in info.inputs]
    return sorted(statistics.tensors.values(), key=lambda each: each.name not in inputs)


def _use(tensor: TensorStatistics) -> TensorUse:
    low, high = tensor.low, tensor.high
    alone, sample = max(
        (_without(tensor, int(place)), int(place)) for place in (tensor.lows.argmin(), tensor.highs.argmax())
    )
    relu = low >= 0 and len(tensor.channel_highs) >= _CHANNELS
    dead = float((tensor.channel_highs <= 0).mean()) if relu else 0.0
    return TensorUse(tensor.name.split(";")[0], low, high, _used(tensor), alone, sample, dead)


def _without(tensor: TensorStatistics, place: int) -> float:
    """The factor by which this sample alone widens the range, which always holds 0."""
    lows, highs = np.delete(tensor.lows, place), np.delete(tensor.highs, place)
    if not len(lows):
        return 1.0
    whole = max(tensor.high, 0.0) - min(tensor.low, 0.0)
    rest = max(float(highs.max()), 0.0) - min(float(lows.min()), 0.0)
    return whole / rest if rest > 0 else 1.0


def _used(tensor: TensorStatistics) -> float:
    """The share of the range that all but the outermost values lie in."""
    histogram = tensor.histogram
    width = max(tensor.high, 0.0) - min(tensor.low, 0.0)
    if histogram is None or width <= 0:
        return 1.0
    sums = np.cumsum(histogram.counts) / max(int(histogram.counts.sum()), 1)
    edges = histogram.edges()
    low = edges[int(np.searchsorted(sums, _TAIL))]
    high = edges[min(int(np.searchsorted(sums, 1 - _TAIL)) + 1, len(edges) - 1)]
    return float(min(1.0, (max(high, 0.0) - min(low, 0.0)) / width))


def _packed(found: ModelFacts) -> dict[str, Any]:
    told = asdict(found)
    for key in ("answers", "extremes", "features", "features_evaluation"):
        told[key] = _array(told[key])
    if told["first"]:
        for key in ("means", "deviations"):
            told["first"][key] = _array(told["first"][key])
    return told


def unpacked(told: Mapping[str, Any]) -> ModelFacts:
    """What `watch` left, from its JSON."""
    arrays = {key: _read(told[key]) for key in ("answers", "extremes", "features", "features_evaluation")}
    first = told["first"]
    if first:
        fit = NormFit(**first["fit"]) if first["fit"] else None
        first = FirstLayer(first["name"], first["normalized"], _read(first["means"]), _read(first["deviations"]), fit)
    return ModelFacts(
        **{
            **told,
            **arrays,
            "first": first,
            "tensors": tuple(TensorUse(**each) for each in told["tensors"]),
            "trials": tuple(Trial(**{**each, "told": tuple(each["told"])}) for each in told["trials"]),
            "curve": tuple(Point(each["size"], tuple(each["sqnr_db"])) for each in told["curve"]),
        }
    )


def _array(values: Floats) -> dict[str, Any]:
    data = np.ascontiguousarray(values, "<f4")
    return {"shape": list(data.shape), "data": base64.b64encode(data.tobytes()).decode("ascii")}


def _read(told: Mapping[str, Any]) -> Floats:
    return np.frombuffer(base64.b64decode(told["data"]), "<f4").reshape(told["shape"]).astype(np.float32)
