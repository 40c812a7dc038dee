"""What happens to releases: stage, self-test, activate as trial, confirm or revert, roll back.

The device decides alone: once `activate` has begun, it confirms or reverts by itself, also when the host is gone, and a
trial that a crash interrupted is reverted at the next start.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

from edgeq.agent import micro
from edgeq.agent.errors import Refused
from edgeq.agent.facts import arch
from edgeq.agent.process import ModelProcess
from edgeq.agent.store import Store
from edgeq.agent.wheels import runtime_folder, unpack
from edgeq.protocol import cbor
from edgeq.protocol.status import Status
from edgeq.runtime import MODULES, available

Note = Callable[[str], None]
Swap = Callable[[], None]
KEEP = 5
VECTOR_TIMEOUT_S = 60.0
_FORMATS = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "float32": "f"}


def stage(
    store: Store,
    sha: str,
    wheels: Sequence[str],
    note: Note,
    system: str | None = None,
) -> dict[str, Any]:
    """Install the bundle whose manifest has this digest; the very same one twice is the same release.

    `system` is a folder of Python packages on this device that holds the runtime, "" for Python's own; None means that
    the wheels do, or the runtime that the manifest names is here.
    """
    manifest = store.manifest(sha)
    for n, entry in store.state.releases.items():
        same = entry["sha"] == sha and entry["state"] != "bad"
        if same and _is_sound(store, n) and store.facts(n).get("system") == system:
            return {"n": n, "state": entry["state"]}
    if manifest["arch"] != arch():
        raise Refused(Status.MISMATCH, f"the bundle is for {manifest['arch']}; this device is {arch()}")
    if system is None:
        _check_runtime(manifest, wheels)
    else:
        _check_system(system)
    if wheels:
        unpack(store, wheels, note)
    note("laying out the release")
    n = store.add_release(sha, manifest, {"wheels": list(wheels), "system": system, "python": sys.executable})
    store.prune(KEEP)
    return {"n": n, "state": "staged"}


def _is_sound(store: Store, n: int) -> bool:
    """Whether an installed release is what was installed; one that is not will be laid out anew from fresh blobs."""
    try:
        store.check_release(n)
    except Refused:
        return False
    return True


def _check_runtime(manifest: dict[str, Any], wheels: Sequence[str]) -> None:
    wanted = (manifest["runtime"]["name"], manifest["runtime"]["version"])
    if wanted[0] == micro.NAME and {micro.IMAGE, micro.LIBRARY} <= set(manifest["files"]):
        return  # The bundle itself holds it, by digest.
    listed = {entry["sha256"] for entry in manifest["runtime"]["wheels"]}
    if not set(wheels) <= listed:
        raise Refused(Status.MISMATCH, "a runtime wheel is not one that the manifest names")
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


def open_model(store: Store, n: int, threads: int | None = None) -> ModelProcess:
    """A worker process with release `n` loaded; `threads` as the manifest says unless given."""
    folder = store.release(n)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return ModelProcess(
        folder / "model.tflite",
        runtime=runtime_of(store, n),
        threads=threads or manifest["runtime"]["threads"],
        kernels=manifest["golden"]["kernels"],
        python=_python(store, n),
    )


def _python(store: Store, n: int) -> str:
    """The interpreter that release `n` was staged with, whose packages or wheels it was tested on; whoever started this
    agent may be another. Empty where it is gone."""
    python: str = store.facts(n).get("python", "")
    return python if Path(python).is_file() else ""


def runtime_of(store: Store, n: int) -> Path | None:
    """The folder that release `n` takes its runtime from; None for Python's own packages."""
    facts = store.facts(n)
    if facts["wheels"]:
        return runtime_folder(store, facts["wheels"])
    return Path(facts["system"]) if facts.get("system") else None


def selftest(store: Store, n: int, note: Note) -> dict[str, Any]:
    """Hash every member again, run every golden vector and compare; SELFTEST names what differs and by how much."""
    note("hashing")
    store.check_release(n)
    folder = store.release(n)
    note("starting the runtime")
    with open_model(store, n) as process:
        return _selftest(process, folder, note)


def _selftest(process: ModelProcess, folder: Path, note: Note) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    interface = json.loads((folder / "interface.json").read_text(encoding="utf-8"))
    golden = cbor.loads((folder / "golden.cbor").read_bytes())
    expected = [*golden["outputs"], *(raw["outputs"] for raw in golden.get("raw", []))]
    tolerance, count = manifest["golden"]["tolerance"], len(expected)
    worst = 0.0
    request = {"do": "golden", "vectors": str(folder / "golden.cbor"), "preprocess": interface.get("preprocess") or {}}
    for index, (answer, wanted) in enumerate(zip(process.stream(VECTOR_TIMEOUT_S, **request), expected)):
        note(f"golden vector {index + 1} of {count}")
        for tensor, got, want in zip(interface["outputs"], answer["outputs"], wanted):
            off = difference(tensor["dtype"], got, want)
            worst = max(worst, off)
            if off > limit(tensor["dtype"], tolerance):
                what = f"golden vector {index} of {count}: output '{tensor['name']}' is off by {off:g}"
                raise Refused(Status.SELFTEST, f"{what}, tolerance {limit(tensor['dtype'], tolerance):g}")
    return {"vectors": count, "worst": worst, "tolerance": tolerance, "runtime": process.loaded["runtime"]}


def difference(dtype: str, got: bytes, want: bytes) -> float:
    """The largest difference of two tensors' elements; infinite where they cannot be compared (length, NaN)."""
    if got == want:
        return 0.0
    form = _FORMATS[dtype]
    size = struct.calcsize("<" + form)
    if len(got) != len(want) or len(got) % size:
        return float("inf")
    pairs = zip(struct.iter_unpack("<" + form, got), struct.iter_unpack("<" + form, want))
    # `not <=` rather than `>`: a NaN is never within any bound.
    offs = [abs(a - b) for (a,), (b,) in pairs]
    return float("inf") if any(not off <= float("inf") for off in offs) else float(max(offs))


def limit(dtype: str, tolerance: int) -> float:
    """The tolerance in units of the tensor: steps for integers, 1e-3 a step for float32."""
    return tolerance * 1e-3 if dtype == "float32" else float(tolerance)


def activate(store: Store, n: int, swap: Swap, note: Note) -> dict[str, Any]:
    """Serve release `n` on trial, test it where it serves, and confirm it or go back to what served before."""
    state, folder = store.state, store.release(n)
    entry = state.releases[n]
    if entry["state"] == "bad":
        raise Refused(Status.STATE, f"release {n} was found bad; build and deploy it again")
    if state.current == n and state.trial is None:
        return {"n": n, "state": "confirmed"}
    state.trial, state.starts, entry["state"] = n, 0, "trial"
    store.save()
    try:
        note("on trial")
        swap()
        with open_model(store, n) as process:
            result = _selftest(process, folder, note)
    except BaseException:
        revert(store, swap)
        raise
    state.previous, state.current, state.trial = state.current, n, None
    entry["state"] = "confirmed"
    store.save()
    return {"n": n, "state": "confirmed", **result}


def revert(store: Store, swap: Swap) -> None:
    """End a trial that did not prove good: what served before it serves again."""
    if store.state.trial is not None:
        store.state.releases[store.state.trial]["state"] = "bad"
        store.state.trial = None
        store.save()
        swap()


def rollback(store: Store, swap: Swap, note: Note) -> dict[str, Any]:
    """Serve the release that served before the present one; it was confirmed here, so it needs no trial."""
    state = store.state
    back = state.previous
    if back is None or back not in state.releases:
        raise Refused(Status.STATE, "there is no earlier release to go back to")
    note(f"checking release {back}")
    store.check_release(back)
    state.current, state.previous = back, state.current
    store.save()
    swap()
    return {"n": back, "sha": state.releases[back]["sha"]}
