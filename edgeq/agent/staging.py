"""From blobs to a release: what is checked before it is laid out, and what is not done twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

from edgeq.agent import micro
from edgeq.agent.errors import Refused
from edgeq.agent.facts import arch
from edgeq.agent.policy import policy_of
from edgeq.agent.store import Store
from edgeq.agent.trust import Trust
from edgeq.agent.wheels import unpack
from edgeq.protocol.status import Status
from edgeq.runtime import MODULES, available

Note = Callable[[str], None]
MOST_SECURITY_VERSION = (1 << 32) - 1


def stage(
    store: Store,
    sha: str,
    wheels: Sequence[str],
    note: Note,
    system: str | None = None,
    envelope: bytes | None = None,
) -> dict[str, Any]:
    """Install the bundle whose manifest has this digest; the very same one twice is the same release.

    `system` is a folder of Python packages on this device that holds the runtime, "" for Python's own; None means that
    the wheels do, or the runtime that the manifest names is here, or for what serves already the one that it has.
    `envelope` holds the signatures of the manifest; it replaces those with which a release was accepted before.
    """
    manifest = store.manifest(sha)
    Trust(store.root).check(store.blobs.path(sha).read_bytes(), envelope)
    # What serves comes first: of the same bundle there may be another release, on another runtime.
    for n, entry in sorted(store.state.releases.items(), key=lambda item: item[0] != store.state.serving):
        same = entry["sha"] == sha and entry["state"] != "bad"
        if same and _is_sound(store, n, system):
            if envelope not in (None, store.envelope(n)):
                store.sign_release(n, envelope)
            store.settle()
            return {"n": n, "state": entry["state"]}
    if manifest["arch"] != arch():
        raise Refused(Status.MISMATCH, f"the bundle is for {manifest['arch']}; this device is {arch()}")
    policy_of(manifest)
    check_security(store, manifest)
    _check_wheels(manifest, wheels)
    if system is None:
        _check_runtime(manifest, wheels)
    else:
        _check_system(system)
    if wheels:
        unpack(store, wheels, note)
    note("laying out the release")
    facts = {"wheels": list(wheels), "system": system, "python": sys.executable}
    n = store.add_release(sha, manifest, facts, envelope)
    store.prune()
    return {"n": n, "state": "staged"}


def security_version(manifest: dict[str, Any]) -> int:
    """What its builder says of it; 0 where nothing is said."""
    said = manifest.get("security_version", 0)
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said <= MOST_SECURITY_VERSION:
        raise Refused(Status.INVALID, f"the manifest is damaged: security_version {said!r}"[:200])
    return said


def check_security(store: Store, manifest: dict[str, Any]) -> None:
    """STATE where a newer security version was confirmed here."""
    said, highest = security_version(manifest), store.state.security_version
    if said < highest:
        what = f"the bundle has security version {said}, and {highest} was confirmed on this device"
        raise Refused(Status.STATE, f"{what}; only releases that were confirmed here may serve again")


def _is_sound(store: Store, n: int, system: str | None) -> bool:
    """Whether an installed release is what was installed, and runs on this runtime; one that is not will be laid out
    anew from fresh blobs."""
    try:
        store.check_release(n)
        has = store.facts(n).get("system")
        return has == system or (system is None and n == store.state.serving)
    except Refused:
        return False


def _check_wheels(manifest: dict[str, Any], wheels: Sequence[str]) -> None:
    """Only what the manifest names, which is what was signed, is ever unpacked, each once."""
    if len(set(wheels)) != len(wheels):
        raise Refused(Status.INVALID, "a runtime wheel is named twice")
    if not set(wheels) <= {entry["sha256"] for entry in manifest["runtime"]["wheels"]}:
        raise Refused(Status.MISMATCH, "a runtime wheel is not one that the manifest names")


def _check_runtime(manifest: dict[str, Any], wheels: Sequence[str]) -> None:
    wanted = (manifest["runtime"]["name"], manifest["runtime"]["version"])
    if wanted[0] == micro.NAME and {micro.IMAGE, micro.LIBRARY} <= set(manifest["files"]):
        return  # The bundle itself holds it, by digest.
    if not wheels and available() != wanted:
        have = " ".join(available() or ("none",))
        raise Refused(Status.MISMATCH, f"the bundle needs {' '.join(wanted)}; this device has {have}")


def _check_system(system: str) -> None:
    """The golden vectors prove it later; this says early what is plainly not there."""
    if not system:
        if available() is None:
            raise Refused(Status.MISMATCH, "this device's Python has neither ai_edge_litert nor tflite_runtime")
        return
    folder = Path(system)
    if not folder.is_absolute() or not folder.is_dir():
        raise Refused(Status.MISMATCH, f"there is no folder {system} on this device")
    if not any((folder / module).is_dir() for module in MODULES):
        raise Refused(Status.MISMATCH, f"{system} holds neither {' nor '.join(MODULES)}")
