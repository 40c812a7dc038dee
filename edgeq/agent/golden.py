"""The self-test of a release: its members hashed again, its golden vectors run in a worker and compared here."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Callable

from edgeq.agent.errors import Refused
from edgeq.agent.process import ModelProcess
from edgeq.agent.store import Store
from edgeq.agent.wheels import runtime_folder
from edgeq.protocol import cbor
from edgeq.protocol.status import Status

Note = Callable[[str], None]
VECTOR_TIMEOUT_S = 60.0
_FORMATS = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "float32": "f"}


def open_model(store: Store, n: int, threads: int | None = None, kernels: str = "") -> ModelProcess:
    """A worker process with release `n` loaded; `threads` and `kernels` as the manifest says unless given."""
    try:
        manifest = json.loads((store.release(n) / "manifest.json").read_text(encoding="utf-8"))
        threads, kernels = threads or manifest["runtime"]["threads"], kernels or manifest["golden"]["kernels"]
        runtime, python = runtime_of(store, n), _python(store, n)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(Status.DIGEST, f"release {n} is damaged: {error!r}"[:300]) from error
    return ModelProcess(
        store.release(n) / "model.tflite", runtime=runtime, threads=threads, kernels=kernels, python=python
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
    note("starting the runtime")
    with open_model(store, n) as process:
        return compare(process, store.release(n), note)


def compare(process: ModelProcess, folder: Path, note: Note) -> dict[str, Any]:
    """The golden vectors of the release in `folder`, run in its loaded process."""
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
