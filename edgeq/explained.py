"""Where golden vectors fail, the error also says at which operator, as far as that can be told (docs/accuracy.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from edgeq.bundle import Bundle
from edgeq.device.device import Device, Progress, silent
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status


@contextmanager
def explained(
    device: Device,
    bundle: Path | None = None,
    among: Sequence[Path] = (),
    progress: Progress = silent,
    *,
    deployed: Bundle | None = None,
) -> Iterator[None]:
    """Say it of golden vectors that fail in the block: of what serves, whose bundle is `bundle` or one of `among`, or
    of `deployed`, which came to the device."""
    try:
        yield
    except DeviceError as error:
        if error.status != Status.SELFTEST:
            raise
        from edgeq.correctness.diverge import explanation  # seconds of imports, for what seldom happens

        found, words = explanation(device, bundle, among, deployed, progress)
        told = DeviceError(f"{error.message} {words}".rstrip(), error.hint, error.status)
        told.facts = {**error.facts, **({"diverges": asdict(found)} if found else {})}
        raise told from error
