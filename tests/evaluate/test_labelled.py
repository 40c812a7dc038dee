from __future__ import annotations

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled, together
from edgeq.evaluate.predict import Said
from edgeq.quantize.samples import as_samples


def _data(labels: list[int], clip: str) -> Labelled:
    columns = {"clip": tuple(clip), "who": tuple(clip.upper())}
    return Labelled(
        as_samples(np.arange(len(labels), dtype=float)[:, None]), np.array(labels), "d", "e.npz", None, columns
    )


def test_rows_of_one_clip_are_one_sample() -> None:
    said = Said(np.array([[1.0], [2.0], [3.0], [6.0]], np.float32), None, np.array([1.0, 0.0, 3.0, 4.0]))
    data, found = together(_data([0, 1, 0, 1], "babz"), "clip", said)
    assert data.columns["who"] == ("B", "A", "Z") and data.labels is not None and data.labels.tolist() == [0, 1, 1]
    assert found.outputs.tolist() == [[2], [2], [6]] and found.errors is not None and found.errors.tolist() == [2, 0, 4]
    assert len(data) == 3 and data.sha256 == "d"


def test_rows_of_one_clip_have_one_label() -> None:
    with pytest.raises(UsageError, match=r"The rows of 'b' by 'clip' of 'e.npz' differ"):
        together(_data([0, 1, 1], "bab"), "clip", Said(np.zeros((3, 1), np.float32)))


def test_a_choice_keeps_what_is_true() -> None:
    found = _data([0, 1, 2], "abc").choose([2, 0])
    assert found.truth.tolist() == [2, 0] and found.columns["clip"] == ("c", "a")
    assert found.samples.read(0)[0].tolist() == [2.0]
