"""The C core for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cdrive import SANITIZE, Ask, Drive, build


@pytest.fixture(scope="session", params=["gcc", "clang"])
def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask the core: `drive(command, payload) -> (status, payload)`."""
    driver = Drive(build(request.param, tmp_path_factory.mktemp("drive") / "drive", *SANITIZE))
    yield driver
    driver.close()
