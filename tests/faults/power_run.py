"""One store through deploys, prunes and a rollback, for strace to record: `power_run.py ROOT MUTANT BUNDLE...`.

What the agent has acknowledged is written to standard output, as one line of JSON each. MUTANT spoils the store's order
of things in one way (see `MUTANTS`); `none` leaves it alone. Models are not run: a power cut has nothing to do with
them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeq.agent import blobs, files, store
from edgeq.agent.store import State, Store
from edgeq.bundle import read_bundle


def _no_sync(_path: Path) -> None:
    pass


def _blob_data() -> None:
    real = blobs.Blobs._finish_part

    def spoilt(self: Any, sha: str) -> None:
        fsync, os.fsync = os.fsync, lambda _fd: None
        try:
            real(self, sha)
        finally:
            os.fsync = fsync

    blobs.Blobs._finish_part = spoilt  # type: ignore[method-assign]


def _blob_folder() -> None:
    blobs.sync_folder = _no_sync  # type: ignore[attr-defined]


def _folder_named(wanted: Callable[[Path], bool]) -> Callable[[], None]:
    def spoil() -> None:
        real = files.sync_folder
        for module in (files, store):
            module.sync_folder = lambda folder: None if wanted(folder) else real(folder)  # type: ignore[attr-defined]

    return spoil


def _document_data() -> None:
    def spoilt(path: Path, document: Any) -> None:
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(document))
        part.replace(path)
        files.sync_folder(path.parent)

    _replace_json(spoilt)


def _document_in_place() -> None:
    def spoilt(path: Path, document: Any) -> None:
        path.write_text(json.dumps(document))
        files.sync_file(path)
        files.sync_folder(path.parent)

    _replace_json(spoilt)


def _document_removed_first() -> None:
    real = files.replace_json

    def spoilt(path: Path, document: Any) -> None:
        path.unlink(missing_ok=True)
        real(path, document)

    _replace_json(spoilt)


def _replace_json(new: Callable[[Path, Any], None]) -> None:
    files.replace_json = store.replace_json = new  # type: ignore[attr-defined]


def _state_before_release() -> None:
    real, save = Store.add_release, Store.save

    def spoilt(self: Store, sha: str, *given: Any) -> int:
        n = self.state.next
        self.state.next, self.state.releases[n] = n + 1, {"sha": sha, "state": "staged"}
        save(self)
        self.state.next = n
        return real(self, sha, *given)

    Store.add_release = spoilt  # type: ignore[method-assign]


def _prune_before_state() -> None:
    real = Store.prune

    def spoilt(self: Store) -> None:
        state = self.state
        used = {state.current, state.previous, state.trial, *sorted(state.releases)[-self.keep :]}
        for n in set(state.releases) - used:
            shutil.rmtree(self.root / "releases" / str(n))
        real(self)

    Store.prune = spoilt  # type: ignore[method-assign]


def _acknowledged_early() -> None:
    """The state is written after the answer."""
    real, late = Store.save, list[State]()

    def spoilt(self: Store, state: State | None = None) -> None:
        now = state or self.state
        for before in late:
            real(self, before)
        late[:] = [State.from_json(json.loads(json.dumps(now.to_json())))]
        self.state = now

    Store.save = spoilt  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "the bytes of a blob are not synced": _blob_data,
    "the folder of the blobs is not synced": _blob_folder,
    "the folder of a new release is not synced": _folder_named(lambda folder: folder.suffix == ".part"),
    "the folder of the releases is not synced": _folder_named(lambda folder: folder.name == "releases"),
    "the folder of the state is not synced": _folder_named(lambda folder: folder.name == "store"),
    "the bytes of the state are not synced": _document_data,
    "the state is written in place": _document_in_place,
    "the state is removed before it is replaced": _document_removed_first,
    "the state names a release before it is there": _state_before_release,
    "releases are removed before the state forgets them": _prune_before_state,
    "the state is written after the answer": _acknowledged_early,
}


def main() -> None:
    root, mutant, *folders = sys.argv[1:]
    bundles = [read_bundle(Path(folder)) for folder in folders]
    os.environ["EDGEQ_KEEP"] = "1"
    MUTANTS[mutant]()
    held = Store(Path(root))
    held.recover()
    for number, bundle in enumerate(bundles):
        for digest, data in _blobs(bundle).items():
            half = len(data) // 2
            held.blobs.put(digest, 0, len(data), data[:half])
            held.blobs.put(digest, half, len(data), data[half:])
            _acknowledge(blob=digest)
        n = held.add_release(bundle.digest, held.manifest(bundle.digest), {"wheels": [], "system": None})
        held.prune()
        _acknowledge(staged=n)
        if number % 2:
            continue  # it never serves, and the next one makes the store forget it
        with held.change() as state:
            state.trial, state.starts = n, 0
            state.releases[n].update(state="trial")
        with held.change() as state:
            state.previous, state.current, state.trial = state.current, n, None
            state.releases[n].update(state="confirmed")
        _acknowledge(serving=n, previous=held.state.previous)
    with held.change() as state:
        state.current, state.previous = state.previous, state.current
    _acknowledge(serving=held.state.current, previous=held.state.previous)


def _blobs(bundle: Any) -> dict[str, bytes]:
    found = {digest: bundle.path(name).read_bytes() for name, (digest, _) in bundle.files.items()}
    return {**found, bundle.digest: (bundle.folder / "manifest.json").read_bytes()}


def _acknowledge(**what: Any) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    main()
