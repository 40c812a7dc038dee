from __future__ import annotations

from typing import Any

import pytest

from edgeq.asked import Asked
from edgeq.errors import GateFailed
from edgeq.evaluate.gates import failures, needing_reference, require


def _row(name: str, drop: float | None, judged: bool = True, metric: str = "accuracy") -> dict[str, Any]:
    interval = {"drop": drop, "drop_low": drop, "drop_high": drop}
    return {"by": "who", "slice": name, "samples": 50, "metric": metric, "judged": judged, **interval}


def _document(drop: float | None, *rows: dict[str, Any], unit: str = "fraction") -> dict[str, Any]:
    named = {"metric": "accuracy", "title": "accuracy", "unit": unit, "samples": 500}
    return {**named, "drop": drop, "drop_low": drop, "drop_high": drop, "slices": list(rows)}


def test_a_loss_beyond_the_limit_fails() -> None:
    assert failures(_document(0.010), Asked(max_drop=1.0)) == []
    (found,) = failures(_document(0.012), Asked(max_drop=1.0))
    assert found.startswith("The model lost 1.2 points of accuracy on 500 samples") and "1 may be lost" in found


def test_the_worst_slice_is_named_first() -> None:
    document = _document(0.0, _row("bob", 0.06), _row("ann", 0.09), _row("cy", 0.01), _row("few", 1.0, judged=False))
    found = failures(document, Asked(max_slice_drop=5))
    assert [sentence.split("'")[1] for sentence in found] == ["ann", "bob"]
    with pytest.raises(GateFailed, match=r"The slice who 'ann' lost 9 points .* \(1 more\)"):
        require(document, Asked(max_slice_drop=5))


def test_errors_have_their_own_unit() -> None:
    (found,) = failures(_document(0.5, unit=""), Asked(max_drop=0.2))
    assert "lost 0.5 of" in found and "0.2 may be lost" in found


def test_without_gates_or_a_float_model_nothing_fails() -> None:
    assert failures(_document(0.5, _row("ann", 0.5)), Asked()) == []
    assert failures(_document(None, _row("ann", None)), Asked(max_drop=0, max_slice_drop=0)) == []
    require(None, Asked(max_drop=0))
    assert needing_reference(Asked()) == []
    assert needing_reference(Asked(max_drop=0, max_slice_drop=5)) == ["max_drop", "max_slice_drop"]
