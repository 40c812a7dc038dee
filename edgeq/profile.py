"""The verb `profile`: what each record of the serving model's plan takes on a microcontroller."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import DeviceError
from edgeq.micro.records import KERNELS
from edgeq.protocol.status import Status


@dataclass(frozen=True)
class Record:
    """One record of the plan, in its order: the kernel that executes it and what that took, in the profile's unit."""

    kernel: str
    spent: int


@dataclass(frozen=True)
class Profile:
    """One inference, record by record. `unit` is "ns" or "instructions"; `invoke` what a whole one takes, which counts
    what lies between the records too; `how` is "measured" or "emulated"."""

    release: Release
    unit: str
    how: str
    invoke: int
    records: tuple[Record, ...]

    @property
    def total(self) -> int:
        """Of all records."""
        return sum(record.spent for record in self.records)

    def share(self, record: Record) -> float:
        """A record's part of all of them, 0 to 1; 0 where they were all too quick for the device's clock."""
        return record.spent / self.total if self.total else 0.0


def profile(device: Device, progress: Progress = silent) -> Profile:
    """Two inferences with the first golden vector: one record by record, and one as a whole, which says the unit too.

    `DeviceError` where the device is no microcontroller, or nothing serves on it.
    """
    facts = device.describe()
    if facts.get("kind") != "mcu":
        raise DeviceError(
            f"{device.address} is no microcontroller: it executes no plan whose records could be measured.",
            f"'edgeq bench {device.address}' measures the model as a whole.",
            Status.UNSUPPORTED,
        )
    found = device.profile(progress=progress)
    whole = device.bench(1, 1, 0, progress)
    unit = "instructions" if "invoke_instructions" in whole else "ns"
    serving = next(item for item in device.releases() if item.serving)
    return Profile(
        release=serving,
        unit=unit,
        how="emulated" if facts.get("emulated") else "measured",
        invoke=int(whole[f"invoke_{unit}"][0]),
        records=tuple(Record(KERNELS.get(kind, f"kernel {kind}"), spent) for kind, spent in found),
    )
