"""What the tensors of a float model do on representative samples: the one pass that everything else begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq import runtime
from edgeq.errors import ConvertError
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.histogram import Histogram
from edgeq.quantize.engine.steps import Steps
from edgeq.quantize.samples import Samples, each

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor between operators, or an input. `lows` and `highs` (n,) are the extremes of each sample; `means`,
    `channel_lows` and `channel_highs` (c,) are over all samples for each channel of the last axis; `histogram` of all
    values, None where nobody asked for it; `step` of an input whose values are all multiples of it, at most 255 apart
    (pixels, features that were 8-bit integers before), else 0."""

    name: str
    lows: Floats
    highs: Floats
    means: NDArray[np.float64]
    channel_lows: Floats
    channel_highs: Floats
    histogram: Histogram | None = None
    step: float = 0.0

    @property
    def low(self) -> float:
        """The smallest value of all samples."""
        return float(self.lows.min())

    @property
    def high(self) -> float:
        """The largest value of all samples."""
        return float(self.highs.max())


@dataclass(frozen=True)
class Statistics:
    """Of every float tensor that is computed or given, by name; `count` samples were seen."""

    tensors: Mapping[str, TensorStatistics]
    count: int

    def without(self, places: Sequence[int]) -> Statistics:
        """With the extremes of all samples but those at `places`; what is over all samples stays so."""
        if not places:
            return self
        kept = np.delete(np.arange(self.count), places)
        tensors = {
            name: replace(tensor, lows=tensor.lows[kept], highs=tensor.highs[kept])
            for name, tensor in self.tensors.items()
        }
        return Statistics(tensors, len(kept))


def observe(
    model: bytes, samples: Samples, *, histograms: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Statistics:
    """Run the float `.tflite` on every sample and watch. Call it where a crash of the runtime does no harm.

    `progress` hears how many samples are done. `ConvertError` where the runtime refuses the model, or where a tensor
    becomes infinite or NaN.
    """
    info = read_model(model)
    watched = watched_tensors(info)
    try:
        runner = runtime.Model(model, kernels="builtin", watch=True)
    except RuntimeError as error:
        raise ConvertError(
            f"The float model does not run here: {error}", "Check the model with its own tools."
        ) from error
    inputs = set(info.subgraphs[0].inputs)
    seen = {index: _Seen(name, histograms, index in inputs) for index, name in watched.items()}
    for done, values in enumerate(each(samples, info.inputs), 1):
        runner.load([tensor.encode(value) for tensor, value in zip(runner.inputs, values, strict=True)])
        runner.run()
        for index, record in list(seen.items()):
            found = runner.tensor(index)
            if found is None:
                del seen[index]  # the runtime keeps some tensors to itself, as those of a loop
            else:
                record.add(found)
        progress(done)
    return Statistics({record.name: record.finish() for record in seen.values()}, len(samples))


def watched_tensors(info: ModelInfo) -> dict[int, str]:
    """Place -> name of what `observe` watches: the main graph's float tensors that are no constants."""
    main = info.subgraphs[0]
    live = {*main.inputs, *(index for operator in main.operators for index in operator.outputs)}
    return {
        index: tensor.name
        for index, tensor in enumerate(main.tensors)
        if index in live and tensor.dtype == "float32" and not tensor.data_bytes and tensor.elements
    }


class _Seen:
    """One tensor, as its samples come by."""

    def __init__(self, name: str, histograms: bool, given: bool) -> None:
        self.name = name
        self._steps = Steps() if given else None
        self._lows: list[float] = []
        self._highs: list[float] = []
        self._means: NDArray[np.float64] | None = None
        self._channels: tuple[Floats, Floats] | None = None
        self._histogram = Histogram() if histograms else None

    def add(self, values: Floats) -> None:
        """The tensor after one inference."""
        rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        lows, highs = rows.min(axis=0), rows.max(axis=0)
        low, high = float(lows.min()), float(highs.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ConvertError(
                f"The tensor '{self.name}' becomes infinite or NaN on sample {len(self._lows)}.",
                "Check that sample and the model's weights: such a tensor has no range.",
            )
        means = rows.mean(axis=0, dtype=np.float64)
        if self._channels is None or self._means is None:
            self._channels, self._means = (lows, highs), means
        else:
            self._channels = np.minimum(self._channels[0], lows), np.maximum(self._channels[1], highs)
            self._means = self._means + means
        self._lows.append(low)
        self._highs.append(high)
        if self._histogram is not None:
            self._histogram.add(rows)
        if self._steps is not None:
            self._steps.add(rows)

    def finish(self) -> TensorStatistics:
        """All of it."""
        assert self._means is not None and self._channels is not None
        return TensorStatistics(
            self.name,
            np.array(self._lows, np.float32),
            np.array(self._highs, np.float32),
            self._means / len(self._lows),
            *self._channels,
            self._histogram,
            self._steps.size() if self._steps is not None else 0.0,
        )
