"""The power fails at every call that the real store makes while it puts, stages, prunes, activates and rolls back, with
every part of what was not synced kept or lost. The disk that is left is opened by the real `Store`.

The controls are stores with one thing wrong in their order, each of which must be caught. What the calls are is seen
with strace, so nothing of the product is replaced by a model but the disk.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fault_lab import Lab, files_of
from fault_table import Row
from file_model import CALLS, Files, Op, read_strace, write_disk
from power_run import MUTANTS
from strace_daemon import need_strace

from edgeq.agent.errors import Refused
from edgeq.agent.store import Store
from edgeq.bundle import Bundle
from edgeq.protocol.status import Status

PROGRAM = Path(__file__).with_name("power_run.py")
NAMES = ("first", "second", "third")


def recorded(lab: Lab, mutant: str) -> list[Op]:
    """The calls of one run."""
    need_strace()
    home = lab.new()
    root, log = home / "store", home / "strace"
    root.mkdir()
    words = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", str(log), "-e"]
    words.append(f"trace={','.join('?' + call for call in CALLS)}")
    folders = [str(lab.bundle(name).folder) for name in NAMES]
    command = [*words, sys.executable, PROGRAM, root, mutant, *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return read_strace(log.read_text(), root)


class Checked:
    """Opens disks; every different one once."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._seen = lab, dict[bytes, str]()
        self.states = 0
        self.bundles = {lab.bundle(name).digest: lab.bundle(name) for name in NAMES}

    def look(self, disk: dict[str, Any], said: dict[str, Any]) -> str:
        """What is wrong with this disk; empty where nothing is. `said` is what was acknowledged."""
        self.states += 1
        key = hashlib.sha256(pickle.dumps((sorted(disk.items()), sorted(said.items())))).digest()
        if key not in self._seen:
            folder = self._lab.folder / "disk"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            write_disk(disk, folder)
            try:
                self._open(folder, said)
                self._seen[key] = ""
            except (AssertionError, Refused, OSError, ValueError, KeyError) as error:
                self._seen[key] = f"{type(error).__name__}: {error}"
        return self._seen[key]

    def _open(self, root: Path, said: dict[str, Any]) -> None:
        store = Store(root)
        store.recover()
        state = store.state
        wanted = (said["serving"], said.get("next"))
        assert state.serving in wanted, f"release {state.serving} serves; {said['serving']} was acknowledged"
        for n in {*state.releases, state.serving, state.current, said.get("previous")} - {None}:
            store.check_release(n)
        for n in said.get("staged", ()):
            pruned = n + 1 in state.releases and n not in state.releases  # the next one may push it out
            assert pruned or n in state.releases, f"release {n} was acknowledged and is gone"
            if not pruned:
                store.check_release(n)
        if state.serving is not None:
            assert (root / "current").resolve() == store.release(state.serving).resolve()
        for blob in said.get("blobs", ()):
            assert store.blobs.wanted(blob) is None, "a blob that was acknowledged is gone"
            store.blobs.take(blob)
        _again(store, self.bundles[said["bundle"]])


def _again(store: Store, bundle: Bundle) -> None:
    """The same command again lays the bundle out; what a cut damaged on the way is sent once more."""
    for digest, data in files_of(bundle).items():
        for _ in range(2):
            offset = store.blobs.wanted(digest)
            if offset is None:
                break
            try:
                store.blobs.put(digest, offset, len(data), data[offset:])
                break
            except Refused as refused:
                assert refused.status == Status.DIGEST
    n = store.add_release(bundle.digest, store.manifest(bundle.digest), {"wheels": [], "system": None})
    store.check_release(n)


def _acknowledged(said: list[bytes], digests: list[str]) -> dict[str, Any]:
    """What a host relies on after these answers."""
    now: dict[str, Any] = {"serving": None, "previous": None, "blobs": (), "staged": (), "bundle": digests[0]}
    staged = 0
    for line in said:
        item = json.loads(line)
        if "blob" in item:
            now["blobs"] = (*now["blobs"], item["blob"])
        elif "staged" in item:
            now.update(staged=(item["staged"],), blobs=(), next=item["staged"])
            staged += 1
            now["bundle"] = digests[min(staged, len(digests) - 1)]
        else:
            now.update(item, staged=(), blobs=(), next=item["previous"])
    return now


def cut(lab: Lab, mutant: str, enough: int) -> tuple[int, list[str]]:
    """How many states there are, and what is wrong with those that are bad; it ends after `enough` of these."""
    files, checked, bad = Files(), Checked(lab), list[str]()
    digests = [lab.bundle(name).digest for name in NAMES]
    operations = recorded(lab, mutant)
    for number, op in enumerate(operations):
        files.do(op)
        said = _acknowledged(files.said, digests)
        for disk in files.states():
            wrong = checked.look(disk, said)
            if wrong:
                bad.append(f"after call {number} of {len(operations)} ({op.what} {op.path} {op.to}): {wrong}")
                if len(bad) >= enough:
                    return checked.states, bad
    return checked.states, bad


def case(lab: Lab, number: int) -> int:
    """Case 0 is the product; each of the others is a control."""
    mutant = list(MUTANTS)[number]
    states, bad = cut(lab, mutant, 1 if number else 20)
    if number:
        assert bad, f"not caught: {mutant}"
        return 1
    assert not bad, f"{len(bad)} of {states} states: {bad}"
    assert states > 1000
    return states


ROW = Row(
    name="power",
    what=f"power loss: every call x what was not synced, in part; and {len(MUTANTS) - 1} seeded mistakes, all caught",
    cases=lambda lab: len(MUTANTS),
    case=case,
    reduced=None,
)
