from __future__ import annotations

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.evaluate.novelty import ERROR, PROBABILITY, novelty
from edgeq.evaluate.predict import Said


def _sure(confidence: np.ndarray) -> Said:
    return Said(np.stack([confidence, 1 - confidence], axis=1).astype(np.float32))


def test_confidence_tells_other_samples_apart() -> None:
    own, other = _sure(np.linspace(0.8, 1, 100)), _sure(np.linspace(0.5, 0.7, 60))
    document, told = novelty((own, other), (own, other), "abc")
    assert (document["auroc"], document["float_auroc"], document["drop"]) == (1.0, 1.0, 0.0)
    assert (document["samples"], document["score"], document["data_sha256"]) == (60, PROBABILITY, "abc")
    assert told == []


def test_a_quantized_model_that_no_longer_knows_is_a_finding() -> None:
    own, other = _sure(np.linspace(0.8, 1, 100)), _sure(np.linspace(0.5, 0.7, 60))
    document, (finding,) = novelty((own, other), (own, own.choose(range(60))), "abc")
    assert document["drop_low"] > 0.1 and finding.code == "out-of-distribution"
    assert "AUROC 100.0 to" in finding.message


def test_an_autoencoder_knows_by_its_error() -> None:
    own, other = (Said(np.zeros((5, 3), np.float32), None, np.full(5, error)) for error in (0.1, 0.9))
    document, told = novelty(None, (own, other), "")
    assert (document["auroc"], document["float_auroc"], document["score"]) == (1.0, None, ERROR) and told == []


def test_a_single_number_says_nothing_of_confidence() -> None:
    said = Said(np.array([[3.0], [-7.0]], np.float32))
    with pytest.raises(UsageError, match="no probability"):
        novelty(None, (said, said), "")
