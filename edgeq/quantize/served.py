"""A worker's side of `edgeq.quantize.process`: tell stages, do the work, and leave an error where it fails."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from edgeq.errors import EdgeqError

Described = dict[str, str]


def tell(status: int, stage: str) -> None:
    """One line to the pipe `status`."""
    os.write(status, f"{stage}\n".encode())


def described(error: Exception) -> Described:
    """`kind`, `message` and `hint` of an error, as `error.json` holds them."""
    if isinstance(error, EdgeqError):
        return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    reason = " ".join(str(error).split())[:300]
    return {"kind": "ConvertError", "message": f"{type(error).__name__}: {reason}", "hint": ""}


def serve(folder: Path, work: Callable[[], None], describe: Callable[[Exception], Described] = described) -> int:
    """Do `work`; the exit code: 0, or 1 where `error.json` in `folder` says what went wrong."""
    try:
        work()
    except Exception as error:
        if not isinstance(error, EdgeqError):
            traceback.print_exc()
        (folder / "error.json").write_text(json.dumps(describe(error)), encoding="utf-8")
        return 1
    return 0
