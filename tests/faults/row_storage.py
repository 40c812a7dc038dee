"""The device's storage fails: single calls with ENOSPC, EIO, EROFS and EDQUOT, once or from then on (strace), and file
systems of ten sizes, most of which are too small."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from fault_lab import (
    PATIENCE_S,
    Lab,
    PipeLink,
    Skip,
    copy,
    expect,
    in_process,
    put_all,
    serving_on_disk,
    tells_the_truth,
)
from fault_table import Row
from strace_daemon import FIRST, PHASES, Point, digests, points, trace

from edgeq.agent.files import refusal
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status

ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT")
FAILING = ("openat", "write", "fsync", "rename", "mkdir", "link", "symlink", "unlink", "unlinkat", "rmdir")
FAULTS = 80
SIZES_KIB = (64, 256, 1024, 4096, 4160, 4224, 4352, 5120, 8192, 16384)
_SMALL = tuple(18 * (index // 2) + 5 * (index % 2) for index in range(len(SIZES_KIB)))
"""The numbers of these cases: every other one of those that the ordinary tests take."""


def fails(lab: Lab, point: Point, error: str, *, for_good: bool) -> None:
    """The call at this point fails, once or with all like it that follow; the agent lives and tells the truth, then and
    after the storage works again."""
    when = f"{point.when}+" if for_good else str(point.when)
    run = trace(lab, point.phase, f"{point.call}:error={error}:when={when}", thaw=True)
    try:
        may = digests(lab, point.phase)
        if run.died:
            log = (run.root / "log").read_text()
            assert not PHASES[point.phase].attached, f"the agent died of {error}: {log[-500:]}"
        else:
            after = serving_on_disk(run.root)
            if run.error is not None:
                _told(run.error, error)
                tells_the_truth(run.error.message, run.root)
            _answers(run.root, after[0])
        if not run.error and not run.died:
            assert run.acked.serving is None or run.acked.serving in may
    finally:
        run.daemon.end()
    expect(run.root, lab, run.acked, may)


def _told(error: object, name: str) -> None:
    """The message names the cause, where it is the device that speaks."""
    if isinstance(error, DeviceError):
        said = refusal(OSError(getattr(errno, name), "")).reason.rpartition(": ")[2]
        assert said in error.message or "ended" in error.message, f"{name} is told as {error.message!r}"


def _answers(root: Path, n: int | None) -> None:
    """The same daemon goes on answering, and says what its state file says; or, where it could not count its start in a
    trial and therefore serves what was confirmed, what it lets applications find."""
    link = root / "current"
    found = int(link.readlink().name) if link.is_symlink() else None
    with Device(PipeLink(root), "local:") as device:
        serving = device.installed().serving
        assert serving and serving.n in (n, found), f"{serving} serves; {n} on the disk, {found} for applications"
        assert _tested(device)["vectors"] == 4


def _tested(device: Device) -> dict[str, Any]:
    """The self-test, once the trial's own is over."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return device.selftest()
        except DeviceError as error:
            if error.status != Status.BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _failing(lab: Lab) -> list[Point]:
    return [point for point in points(lab) if point.call in FAILING and point.phase != FIRST]


def case(lab: Lab, number: int) -> None:
    """Ten of the cases are file systems; the others are failing calls."""
    if number in _SMALL:
        _small(lab, SIZES_KIB[_SMALL.index(number)])
        return
    there = _failing(lab)
    point = there[number * len(there) // (FAULTS + len(SIZES_KIB))]
    if not PHASES[point.phase].attached and point.call == "write":
        point = there[there.index(point) + 1]  # strace would fail the same write of every thread: no answer gets out
    for_good = point.call not in ("write", "openat") and number % 2 == 1  # answers, and programs, need these
    fails(lab, point, ERRORS[number % 4], for_good=for_good)


def _small(lab: Lab, kib: int) -> None:
    """A store on a file system of this size, where the release that serves was laid out while there was room."""
    here = lab.new() / "small"
    here.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "edgeq", here], capture_output=True, text=True)
    if done.returncode:
        raise Skip("this user may not mount a tmpfs")
    try:
        root = copy(lab.store("serving"), here / "store")
        with in_process(root) as device:
            try:
                deploy(lab.other, device)
            except DeviceError as error:
                assert error.status == 4, error.message
                assert "release 1 (good" in error.message and "still serves" in error.message, error.message
                assert kib * 1024 < 6 << 20, f"{kib} KiB are enough"
            else:
                assert kib * 1024 > 4 << 20, f"a margin of 4 MiB was promised, and there were {kib} KiB in all"
        _filled(lab, root)
        subprocess.run(["mount", "-o", "remount,size=32m", here], check=True)
        with in_process(root) as device:
            deploy(lab.other, device)
    finally:
        subprocess.run(["umount", "-l", here], check=True)


def _filled(lab: Lab, root: Path) -> None:
    """Not one byte is left: what serves goes on serving."""
    third = lab.bundle("third")
    with (root.parent / "ballast").open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            pass
    serving = serving_on_disk(root)
    with in_process(root) as device:
        try:
            put_all(device, third)
            device.stage(third.digest, [])
        except DeviceError as error:
            assert error.status == 4, error.message
        else:
            raise AssertionError("a bundle was staged where nothing is free")
        assert device.selftest()["vectors"] == 4
    assert serving_on_disk(root) == serving
    (root.parent / "ballast").unlink()


ROW = Row(
    name="storage",
    what="ENOSPC, EIO, EROFS, EDQUOT at calls of the agent, once or for good; file systems of ten sizes",
    cases=lambda lab: FAULTS + len(SIZES_KIB),
    case=case,
    reduced=10,
)
