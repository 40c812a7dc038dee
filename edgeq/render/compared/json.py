"""A comparison as JSON, schema 1."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edgeq.compare import Comparison

SCHEMA = 1


def render(comparison: Comparison) -> str:
    """The document as text."""
    return json.dumps(document(comparison), indent=1, ensure_ascii=False) + "\n"


def document(comparison: Comparison) -> dict[str, Any]:
    """The document as plain data: `metrics`, `objections` with their waivers, and the exit code."""
    return {"schema": SCHEMA, "kind": "edgeq-comparison", **asdict(comparison), "exit_code": comparison.exit_code}
