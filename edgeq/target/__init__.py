"""Target profiles: what one kind of hardware is and can hold, read from one TOML file.

A profile is found by name or alias (case-insensitive) in `./targets`, in the folders of `EDGEQ_TARGET_PATH`,
in `~/.config/edgeq/targets`, then among those that ship with edgeq. The engine never names a chip; it asks the profile.
"""

from __future__ import annotations

from edgeq.target.find import all_targets, broken_targets, load_target, target_folders
from edgeq.target.new import new_target
from edgeq.target.profile import (
    ARCHITECTURES,
    EVIDENCE,
    FEATURES,
    KINDS,
    MODES,
    SCHEMA,
    Accelerator,
    Cpu,
    Energy,
    FlashRegion,
    Memory,
    Os,
    Power,
    Runtime,
    TargetProfile,
)
from edgeq.target.read import read_target

__all__ = [
    "ARCHITECTURES",
    "EVIDENCE",
    "FEATURES",
    "KINDS",
    "MODES",
    "SCHEMA",
    "Accelerator",
    "Cpu",
    "Energy",
    "FlashRegion",
    "Memory",
    "Os",
    "Power",
    "Runtime",
    "TargetProfile",
    "all_targets",
    "broken_targets",
    "load_target",
    "new_target",
    "read_target",
    "target_folders",
]
