"""Every seeded fault is found, with labels and without; nothing is said against good data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faults import ANY, FAULTS, LABELLED, Fault
from practice import Case, bars, bars_case, findings, loud

# These pictures stay pictures of another class, red bars blue ones and lying bars standing ones: without labels nothing
# tells. `test_clean.py` has real pictures for that.
SYMMETRIC = ("channels", "orientation")
CASES = [
    *((fault, True) for fault in FAULTS),
    *((fault, False) for fault in FAULTS if fault.needs != LABELLED and fault.code not in SYMMETRIC),
]


def test_the_list_is_long_enough() -> None:
    assert len({fault.name for fault in FAULTS}) >= 15
    assert len({fault.code for fault in FAULTS}) >= 15


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("count", [48, 96, 192])
def test_nothing_is_said_against_good_data(tmp_path: Path, labelled: bool, count: int) -> None:
    case = bars_case(count)
    assert not loud(findings(case if labelled else replace(case, y=None, y_eval=None), bars(), tmp_path))


@pytest.mark.parametrize(("fault", "labelled"), CASES, ids=lambda value: getattr(value, "name", value))
def test_a_fault_of_pictures_is_found(tmp_path: Path, fault: Fault, labelled: bool) -> None:
    case = bars_case()
    found = findings(fault.seed(case if labelled else replace(case, y=None, y_eval=None)), bars(), tmp_path)
    assert fault.code in loud(found), found
    assert found[fault.code].hint and found[fault.code].message.endswith(".")


@pytest.fixture(scope="module")
def keywords(shared_models: Path) -> Case:
    """Keyword spotting: 120 samples to calibrate on, 120 others."""
    with np.load(shared_models / "kws01_mfcc_int8.npz") as data:
        x, y = ((data["x"].astype(np.float32) - 83) * 0.5847029)[..., None], data["y"].astype(np.int64)
    order = np.random.default_rng(5).permutation(len(x))
    first, second = order[:120], order[120:240]
    return Case(x[first], y[first], x[second], y[second])


@pytest.mark.parametrize(
    "fault", [each for each in FAULTS if each.needs in (ANY, LABELLED)], ids=lambda each: each.name
)
def test_a_fault_of_keywords_is_found(tmp_path: Path, shared_models: Path, keywords: Case, fault: Fault) -> None:
    found = findings(fault.seed(keywords), shared_models / "kws_float.tflite", tmp_path)
    assert fault.code in loud(found), found
