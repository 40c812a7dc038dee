"""Objections to what ran: another model, other preprocessing, other inputs, other labelled samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.compare.metrics import accuracy
from edgeq.compare.objections.check import ACCURACY, ALL, TIMES, Check, Pair, differ, provenance
from edgeq.run import Run

VALUES_DECIDE = (
    *("WHILE", "IF", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "WHERE", "UNIQUE", "HASHTABLE_FIND"),
    "EMBEDDING_LOOKUP_SPARSE",
)
"""Ops that take longer for some values than for others; all else does the same work whatever it is fed."""


def _model(pair: Pair) -> str:
    before, after = pair.each(_float)
    if _one_name(pair) or (before and before == after):
        return ""
    return f"The runs are of different models: {' and '.join(pair.each(_name))}."


def _lineage(pair: Pair) -> str:
    if not _one_name(pair) or not differ(*pair.each(_float)):
        return ""
    macs = pair.each(lambda run: run.release.get("macs"))
    work = f" ({macs[0]:,} and {macs[1]:,} MACs)" if all(isinstance(count, int) for count in macs) else ""
    return f"Both are called {_name(pair.base)}, and were made of different float models{work}."


def _one_name(pair: Pair) -> bool:
    before, after = pair.each(lambda run: run.release.get("name"))
    return bool(before == after)


def _name(run: Run) -> str:
    return f"'{run.release['name']}'" if run.release.get("name") else "one without a name"


def _float(run: Run) -> Any:
    return provenance(run).get("float_sha256")


def _preprocess(pair: Pair) -> str:
    """No preprocessing is another one than any; a run that tells nothing of it is no difference."""
    if not all("preprocess_sha256" in known for known in pair.each(provenance)):
        return ""
    before, after = pair.each(lambda run: provenance(run)["preprocess_sha256"])
    return "Preprocessing differs between the two releases." if before != after else ""


def _input(pair: Pair) -> str:
    if not differ(*pair.each(lambda run: run.release.get("input_sha256"))):
        return ""
    ops = {name for run in (pair.base, pair.new) for name in _ops(run)}
    found = [name for name in VALUES_DECIDE if name in ops]
    return f"The benches ran on different inputs, and how long {found[0]} takes depends on them." if found else ""


def _ops(run: Run) -> Mapping[str, Any]:
    found = provenance(run).get("ops")
    return found if isinstance(found, Mapping) else {}


_DATA = (
    ("data", "on different samples"),
    ("samples", "on different numbers of samples"),
    ("title", "in different metrics"),
    ("at", "in different places"),
)


def _data(pair: Pair) -> str:
    before, after = pair.each(accuracy)
    found = [words for key, words in _DATA if before and after and differ(before[key], after[key])]
    return f"Accuracy was found {', '.join(found)}." if found else ""


OTHER_MODEL = Check(
    "other_model",
    "refuse",
    ALL,
    _model,
    "the names of the models differ, and no float model is known to be behind both",
    "'edgeq report A B' tells runs of different models side by side.",
)
OTHER_LINEAGE = Check(
    "other_lineage",
    "warn",
    ALL,
    _lineage,
    "the names are equal, and the float models behind them are not: trained anew",
    "A difference may come from the new model's shape.",
)
OTHER_PREPROCESS = Check(
    "other_preprocess",
    "refuse",
    ALL,
    _preprocess,
    "the digests of the preprocessing differ",
    "Build both from the same [preprocess].",
)
OTHER_INPUT = Check(
    "other_input",
    "refuse",
    TIMES,
    _input,
    "the samples that the benches fed differ, and the model has an op whose time depends on values (`WHILE`, `IF`, "
    "non-maximum suppression ...)",
    "Build both with the same calibration data: a bench feeds its first sample.",
)
OTHER_DATA = Check(
    "other_data",
    "refuse",
    ACCURACY,
    _data,
    "the labelled samples, the metric or the place (host, device, with the device's own preprocessing) of accuracy "
    "differ",
    "Evaluate both on the same samples, in the same place.",
)
