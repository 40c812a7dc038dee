"""The front end as a process under sanitizers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from fronts import Drive


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    found = Drive(tmp_path_factory.mktemp("frontend"))
    yield found
    found.close()
