"""Audio in chunks of any size: features come out as soon as they are known, the same as of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeq.preprocess.chain import check, first, run, start
from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.raw import Raw
from edgeq.preprocess.vocabulary import AUDIO, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeq.preprocess.flow import Flow
    from edgeq.preprocess.step import Step

    Array = NDArray[Any]


class Stream:
    """One running stream, which starts from silence; made by `Preprocess.stream`."""

    def __init__(self, steps: Sequence[Step], flows: Sequence[Flow]) -> None:
        for step in steps:
            if VOCABULARY[step.do].whole:
                raise PreprocessError(
                    f"{step.do} needs the whole clip, and a stream has no end.", "Cut clips, or leave the step out."
                )
        self._rate_hz = flows[0].rate_hz
        self._running = start(steps, flows)
        self._ended = False

    def feed(self, samples: Array) -> Array:
        """The next int16 samples [n], n of any size; the feature frames that are complete now, float32 [time, ...]."""
        if len(samples):
            check(AUDIO, Raw(samples, self._rate_hz))
        return self._run(samples, False)

    def finish(self) -> Array:
        """What a resampling filter still holds, as if silence followed; nothing can be fed afterwards."""
        import numpy as np

        found = self._run(np.zeros(0, np.int16), True)
        self._ended = True
        return found

    def _run(self, samples: Array, last: bool) -> Array:
        import numpy as np

        if self._ended:
            raise PreprocessError("The stream has ended.", "Start another one.")
        return run(self._running, first(samples, AUDIO), last).astype(np.float32)
