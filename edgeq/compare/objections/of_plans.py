"""Objections to what was asked for: threads, delegate, what was timed, for how long."""

from __future__ import annotations

from typing import Any

from edgeq.compare.objections.check import ALL, TIMES, Check, differs, one_alone, provenance
from edgeq.run import Run


def _executor(run: Run) -> Any:
    return run.plan.delegate or provenance(run).get("kernels")


OTHER_THREADS = Check(
    "other_threads",
    "refuse",
    ALL,
    differs(lambda run: run.plan.threads, "The runs used different numbers of threads: {} and {}."),
    "the numbers of threads differ",
    "Bench with the same --threads.",
)
OTHER_DELEGATE = Check(
    "other_delegate",
    "refuse",
    ALL,
    differs(_executor, "The ops were executed by different delegates: {} and {}."),
    "what executes the ops (delegate, else the bundle's kernels) differs",
    "Bench with the same --delegate.",
)
OTHER_SPAN = Check(
    "other_span",
    "refuse",
    TIMES,
    one_alone(lambda run: run.plan.end_to_end, "{} alone was timed from end to end."),
    "one run was timed from end to end and the other was not",
    "Bench both with --end-to-end, or both without.",
)
OTHER_LENGTH = Check(
    "other_length",
    "refuse",
    TIMES,
    one_alone(lambda run: run.plan.sustained, "{} alone was sustained: a short bench ends before a device is warm."),
    "one run was sustained and the other was not",
    "Bench both with --sustained, or both without.",
)
