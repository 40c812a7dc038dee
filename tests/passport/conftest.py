"""A project with a bundle that has everything in its passport."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from passport_project import project_folder

from edgeq.bundle import Bundle, read_bundle


@pytest.fixture(scope="session")
def project() -> Path:
    """A folder with inputs and the bundle in `out`; nobody writes to it."""
    return project_folder()


@pytest.fixture(scope="session")
def bundle(project: Path) -> Bundle:
    """The bundle in it."""
    return read_bundle(next((project / "out").iterdir()))


@pytest.fixture
def document(bundle: Bundle) -> dict[str, Any]:
    """Its passport."""
    found: dict[str, Any] = json.loads(bundle.path("passport.json").read_text(encoding="utf-8"))
    return found
