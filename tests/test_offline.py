"""EDGEQ_OFFLINE=1 where there is no network at all; `test_readme.py` runs the README's commands that way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from netless import why_not, without_network


@pytest.fixture(scope="module", autouse=True)
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    if reason := why_not(tmp_path_factory.mktemp("try")):
        pytest.skip(reason)


def test_what_is_not_there_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    done = without_network("edgeq fetch --target rpi4 --json || test $? = 2", tmp_path, 60)
    assert done.returncode == 0, done.stderr
    error = json.loads(done.stdout)["error"]
    assert "EDGEQ_OFFLINE is set" in error["message"]
    assert "edgeq fetch --target" in error["hint"]
