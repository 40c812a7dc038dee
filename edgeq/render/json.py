"""A report as JSON, schema 1: derived statistics, with `how` beside each figure. Raw samples stay in the runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edgeq.report import Figure, Report, Section

SCHEMA = 1


def render(report: Report) -> str:
    """The document as text."""
    return json.dumps(document(report), indent=1, ensure_ascii=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The document as plain data."""
    return {
        "schema": SCHEMA,
        "kind": "edgeq-report",
        "edgeq": report.edgeq,
        "title": report.title,
        "verdict": report.verdict,
        "headlines": list(report.headlines),
        "runs": [_section(section) for section in report.sections],
        "comparison": [
            {"label": row.label, "cells": [cell and _figure(cell) for cell in row.cells]} for row in report.comparison
        ],
        "remarks": list(report.remarks),
        "front": dict(report.front),
        "tradeoffs": [
            {
                "cost": plane.name,
                "how": plane.how,
                "points": [
                    {"run": point.label, "cost": _figure(point.cost), "gain": _figure(point.gain), "front": point.front}
                    for point in plane.points
                ],
            }
            for plane in report.planes
        ],
    }


def _section(section: Section) -> dict[str, Any]:
    run, accuracy = section.run, section.accuracy
    return {
        "label": section.label,
        "created": run.created,
        "how": section.how,
        "verdict": run.verdict,
        "issues": [asdict(issue) for issue in run.issues],
        "headline": section.headline,
        "device": dict(run.device),
        "release": {key: value for key, value in run.release.items() if key != "evaluation"},
        "plan": asdict(run.plan),
        "environment": dict(run.environment),
        "claims": [asdict(claim) for claim in section.claims],
        "findings": [asdict(each) for each in section.advice],
        "fit": [{**asdict(need), "parts": dict(need.parts), "fits": need.fits} for need in section.needs],
        "latency": [_figure(figure) for figure in section.latency],
        "stages": [_figure(figure) for figure in section.stages],
        "instructions": [_figure(figure) for figure in section.instructions],
        "memory": [_figure(figure) for figure in section.memory],
        "model": [_figure(figure) for figure in section.model],
        "power": [_figure(figure) for figure in section.power],
        "budget": [_figure(figure) for figure in section.budget],
        "meter": dict(section.meter),
        "sustained": None
        if not section.intervals
        else {
            "unit": "ns",
            "how": section.how,
            "intervals": [asdict(each) for each in section.intervals],
            "onset": section.onset and asdict(section.onset),
        },
        "ops": section.ops and asdict(section.ops),
        "accuracy": None
        if accuracy is None
        else {
            "samples": accuracy.samples,
            "evaluated_on": accuracy.evaluated_on,
            "confidence": accuracy.confidence,
            "method": accuracy.method,
            "figures": [_figure(figure) for figure in accuracy.figures],
        },
        "slices": [
            {
                "by": each.by,
                "slice": each.name,
                "samples": each.samples,
                "figures": [_figure(figure) for figure in each.figures],
            }
            for each in section.slices
        ],
        "on_device": [_figure(figure) for figure in section.on_device],
        "trials": [asdict(trial) for trial in section.trials],
        "origin": dict(section.origin),
        "outliers": list(section.outliers),
        "notes": list(section.notes),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    """Only what the figure has; `name`, `value`, `unit` and `how` always."""
    told = asdict(figure).items()
    return {key: value for key, value in told if value is not None and value != "" and value is not False}
