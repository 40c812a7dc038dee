"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from once import once, share

from edgeq.host.paths import home

if TYPE_CHECKING:
    from edgeq.agent.service import Service
    from edgeq.device.device import Device

settings.register_profile("edgeq", deadline=None)  # How long an example takes is the machine's affair.
settings.load_profile("edgeq")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # As in all that a shell starts with '&'.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    share(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The processes of `pytest -n` begin with what is long: at the end none waits for another."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not {"slow", "emulated"} & {mark.name for mark in item.iter_markers()})


@pytest.fixture(scope="session", autouse=True)
def _runs_keep_to_their_schema() -> Iterator[None]:
    """Every run that a test writes is held to the published schema."""
    from jsonschema import Draft202012Validator

    from edgeq.run import Run
    from edgeq.schema import schema

    validator, write = Draft202012Validator(json.loads(schema("run"))), Run.write

    def checked(run: Run, path: Path) -> None:
        write(run, path)
        validator.validate(json.loads(path.read_text(encoding="utf-8")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "write", checked)
        yield


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Real models and labelled data; they are not part of the repository, so a user's clone skips what needs them."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "models"
    if not folder.is_dir():
        pytest.skip("the folder shared/models beside the checkout is absent")
    return folder


@pytest.fixture(autouse=True)
def _own_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """No test writes to the user's EDGEQ_HOME, except those that use its caches (emulators, wheels)."""
    if "emulated" not in request.keywords:
        mine = tmp_path_factory.mktemp("home")
        (mine / "cache").mkdir()
        (mine / "cache" / "micro").symlink_to(once("micro", lambda _: None))  # files there are named by their content
        monkeypatch.setenv("EDGEQ_HOME", str(mine))


@pytest.fixture(scope="session")
def lend_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractContextManager[Path]]:
    """Lends an EDGEQ_HOME that shares the user's caches: its devices are nobody else's."""

    @contextmanager
    def lend() -> Iterator[Path]:
        mine = tmp_path_factory.mktemp("lent")
        for name in ("cache", "wheels"):
            (home() / name).mkdir(parents=True, exist_ok=True)
            (mine / name).symlink_to(home() / name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EDGEQ_HOME", str(mine))
            yield mine

    return lend


@pytest.fixture
def lent_home(lend_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """Such an EDGEQ_HOME, for one test."""
    with lend_home() as mine:
        yield mine


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The agent's service in this process, over an empty store."""
    from inmemory import service_at

    with service_at(tmp_path / "store") as found:
        yield found


@pytest.fixture
def device(service: Service) -> Iterator[Device]:
    """A device over a link to `service`."""
    from inmemory import connect

    with connect(service) as found:
        yield found


@pytest.fixture(scope="session")
def firmware_process() -> Path:
    """The firmware as a program of this machine, under sanitizers."""
    from mcu import build_process

    return once("firmware-process", build_process) / "firmware.elf"


@pytest.fixture(scope="session")
def firmware_board() -> Path:
    """The firmware for the emulated board mps2-an386."""
    from mcu import BOARD, board_firmware

    for tool in ("make", "arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return board_firmware(BOARD)
