"""The process of `edgeq deploy` is killed at each of its messages: before it leaves, half sent, and sent without an
answer being read."""

from __future__ import annotations

from pathlib import Path

import killed_host
import pytest
from fault_lab import Daemon, Lab, PipeLink, converges, serving_on_disk
from fault_table import Row

from edgeq.device.address import local_store
from edgeq.device.device import Device

WAYS = ("before", "half", "after")


def _deploy(lab: Lab, store: Path, at: int, way: str) -> tuple[int, int]:
    """The exit code of `edgeq deploy` over `local:`, and how many messages it sent where it lived."""
    home = store.parent / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEQ_HOME", str(home))
        local_store("local:").symlink_to(store)
    code, count, said = killed_host.run(at, way, store.parent, home, "deploy", lab.other.folder, "--to", "local:", "-q")
    assert code in (0, -9), said
    return code, count


def _messages(lab: Lab) -> int:
    if not hasattr(lab, "_messages"):
        store = lab.store("serving")
        daemon = Daemon(store)
        try:
            assert daemon.ready()
            code, lab._messages = _deploy(lab, store, 0, "before")  # type: ignore[attr-defined]
            assert code == 0
        finally:
            daemon.end()
    return lab._messages  # type: ignore[attr-defined,no-any-return]


def case(lab: Lab, number: int) -> None:
    """The reduced count takes every message once, in one way after the other."""
    message, index = divmod(number, len(WAYS))
    way = WAYS[(message + index) % len(WAYS)]
    store = lab.store("serving")
    daemon = Daemon(store)  # it outlives the host, as on a device
    try:
        assert daemon.ready()
        code, _ = _deploy(lab, store, message + 1, way)
        assert code == -9, f"it was to be killed at message {message + 1}, and ended with {code}"
        n, _ = serving_on_disk(store)
        assert n in (1, 2), f"release {n} serves"
        link = PipeLink(store)
        with Device(link, "local:", lambda: PipeLink(store)) as device:
            serving = device.installed().serving
            assert serving and serving.digest in (lab.good.digest, lab.other.digest), f"{serving} serves"
            converges(device, lab.other)
    finally:
        daemon.end()


ROW = Row(
    name="host-kill",
    what="host killed at every message of a deploy: before, in the middle of, and after it",
    cases=lambda lab: 3 * _messages(lab),
    case=case,
    reduced=_messages,
)
