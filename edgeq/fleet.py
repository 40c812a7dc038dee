"""The verbs over many devices: one action on each, side by side; one device's failure is a row, never the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from edgeq import inventory
from edgeq.bundle import Bundle, read_bundle
from edgeq.deploy import deploy as deploy_bundle
from edgeq.device.address import check_address
from edgeq.device.contact import Opener, contact
from edgeq.device.device import Device, Progress, Release
from edgeq.device.open import open_device
from edgeq.errors import ArtifactError, DeviceError, EdgeqError, LinkError, UsageError
from edgeq.host.parallel import DONE, FAILED, MOST_JOBS, STOPPED, WAITING, Watch, for_each, unwatched
from edgeq.inventory import Seen
from edgeq.plan import Plan, make_plan
from edgeq.project import DeviceEntry, Project
from edgeq.rollback import RolledBack
from edgeq.rollback import rollback as roll_back
from edgeq.run import Run
from edgeq.transaction.steps import Tell, unheard
from edgeq.transaction.transaction import Deployed
from edgeq.verify import Verified
from edgeq.verify import verify as verify_device

Result = TypeVar("Result")

INTERRUPTED_CODE = 130
MIXED_CODE = 1
SURVEY_JOBS, SURVEY_S = 16, 15.0
"""Asking a device what serves costs it next to nothing, and one that is off must not hold the table."""


@dataclass(frozen=True)
class Row(Generic[Result]):
    """How it went with one device; `state` is one of `edgeq.host.parallel`."""

    device: DeviceEntry
    state: str
    result: Result | None = None
    error: EdgeqError | None = None
    seconds: float = 0.0
    sent_bytes: int = 0


@dataclass(frozen=True)
class How:
    """How every device of a fleet is deployed to; `edgeq.deploy.deploy` says what each means."""

    allow_interface_change: bool = False
    wait_s: float = 0.0
    watch: bool = True


@dataclass(frozen=True)
class Line:
    """One line of the inventory. `reachable` is None where nobody asked; `seen` is None for a device never met."""

    device: DeviceEntry
    reachable: bool | None
    seen: Seen | None
    error: EdgeqError | None = None


def over(
    devices: Sequence[DeviceEntry],
    action: Callable[[Device, DeviceEntry, Progress], Result],
    *,
    jobs: int = MOST_JOBS,
    deadline_s: float | None = None,
    watch: Watch = unwatched,
    opener: Opener = open_device,
) -> list[Row[Result]]:
    """Open every device, do `action`, close it, and remember that it was seen; the rows are in the devices' order."""
    sent = dict.fromkeys((entry.name for entry in devices), 0)

    def act(entry: DeviceEntry, progress: Progress) -> Result:
        with contact(entry.address, progress, opener) as device:
            try:
                return action(device, entry, progress)
            finally:
                sent[entry.name] = device.client.sent_bytes

    outcomes = for_each(devices, act, jobs=jobs, deadline_s=deadline_s, watch=watch)
    return [
        Row(entry, item.state, item.result, item.error, item.seconds, sent[entry.name])
        for entry, item in zip(devices, outcomes, strict=True)
    ]


class Ended(Protocol):
    """How it ended with one of many."""

    @property
    def state(self) -> str: ...
    @property
    def error(self) -> EdgeqError | None: ...


def exit_code(rows: Sequence[Ended]) -> int:
    """0 where all went well, 130 after a Ctrl-C, the code of the failures where they agree, else 1."""
    if any(row.state in (STOPPED, WAITING) for row in rows):
        return INTERRUPTED_CODE
    codes = {row.error.exit_code if row.error else MIXED_CODE for row in rows if row.state == FAILED}
    return codes.pop() if len(codes) == 1 else MIXED_CODE if codes else 0


def plan(project: Project, devices: Sequence[DeviceEntry], bundle: Path | None = None) -> dict[str, Bundle]:
    """The bundle for each device by its name: everything that can be known before a device is touched.

    Every mistake is found, not only the first one, and is raised as one error.
    """
    check_devices(devices)
    found: dict[str, Bundle] = {}
    read: dict[Path, Bundle] = {}
    wrong: list[tuple[str, EdgeqError]] = []
    for entry in devices:
        try:
            folder = bundle or project.bundle(entry)
            if folder not in read:
                read[folder] = read_bundle(folder)
            found[entry.name] = read[folder]
        except EdgeqError as error:
            wrong.append((entry.name, error))
    _raise(wrong)
    return found


def check_devices(devices: Sequence[DeviceEntry]) -> None:
    """Every address can be understood, and no two devices are the same one."""
    wrong: list[tuple[str, EdgeqError]] = []
    owners: dict[str, str] = {}
    for entry in devices:
        try:
            check_address(entry.address)
        except EdgeqError as error:
            wrong.append((entry.name, error))
            continue
        owner = owners.setdefault(entry.address, entry.name)
        if owner != entry.name:
            same = UsageError(f"it has the address of '{owner}', {entry.address}.", "Leave one of the two out.")
            wrong.append((entry.name, same))
    _raise(wrong)


def _raise(wrong: Sequence[tuple[str, EdgeqError]]) -> None:
    """One error for all of them: what is wrong with the same words is said once."""
    if not wrong:
        return
    by_message: dict[str, list[str]] = {}
    for name, error in wrong:
        by_message.setdefault(error.message, []).append(name)
    said = " ".join(f"{lead(', '.join(names))} {message}" for message, names in by_message.items())
    first = wrong[0][1]
    kind = type(first) if len({error.exit_code for _, error in wrong}) == 1 else UsageError
    raise kind(f"No device was touched. {said}", first.hint)


def lead(name: str) -> str:
    """What stands before a sentence about a device; its name may be its address, and that of `local:` ends so."""
    return name if name.endswith(":") else f"{name}:"


def deploy(
    bundles: Mapping[str, Bundle],
    devices: Sequence[DeviceEntry],
    *,
    how: How = How(),
    events: Callable[[str], Tell] = lambda _: unheard,
    jobs: int = MOST_JOBS,
    watch: Watch = unwatched,
    opener: Opener = open_device,
) -> list[Row[Deployed]]:
    """Each device gets its bundle of `plan`; where that fails, the device's previous release still serves. `events`
    gives who hears those of a device, by its name."""

    def one(device: Device, entry: DeviceEntry, progress: Progress) -> Deployed:
        return deploy_bundle(
            bundles[entry.name], device, progress, runtime=entry.runtime, events=events(entry.name), **asdict(how)
        )

    return over(devices, one, jobs=jobs, watch=watch, opener=opener)


def dry_run(
    bundles: Mapping[str, Bundle],
    devices: Sequence[DeviceEntry],
    *,
    how: How = How(),
    jobs: int = MOST_JOBS,
    watch: Watch = unwatched,
    opener: Opener = open_device,
) -> list[Row[Plan]]:
    """What `deploy` would do to each."""

    def one(device: Device, entry: DeviceEntry, progress: Progress) -> Plan:
        allowed = how.allow_interface_change
        return make_plan(bundles[entry.name], device, progress, allow_interface_change=allowed, runtime=entry.runtime)

    return over(devices, one, jobs=jobs, watch=watch, opener=opener)


def verify(
    devices: Sequence[DeviceEntry], *, jobs: int = MOST_JOBS, watch: Watch = unwatched, opener: Opener = open_device
) -> list[Row[Verified]]:
    """Each looks at what is installed; a row is done also where something is damaged."""
    return over(
        devices, lambda device, _entry, progress: verify_device(device, progress), jobs=jobs, watch=watch, opener=opener
    )


def verified_code(rows: Sequence[Row[Verified]]) -> int:
    """As `exit_code`; where all were reached, that of a damaged artifact if something needed is damaged."""
    code = exit_code(rows)
    damaged = any(row.state == DONE and row.result and row.result.damaged for row in rows)
    return ArtifactError.exit_code if damaged and code in (0, ArtifactError.exit_code) else code or 0


def releases(
    devices: Sequence[DeviceEntry], *, jobs: int = MOST_JOBS, watch: Watch = unwatched, opener: Opener = open_device
) -> list[Row[list[Release]]]:
    """What is installed on each."""
    return over(devices, lambda device, _entry, _progress: device.releases(), jobs=jobs, watch=watch, opener=opener)


def rollback(
    devices: Sequence[DeviceEntry], *, jobs: int = MOST_JOBS, watch: Watch = unwatched, opener: Opener = open_device
) -> list[Row[RolledBack]]:
    """On each the previous release serves again."""
    return over(
        devices, lambda device, _entry, progress: roll_back(device, progress), jobs=jobs, watch=watch, opener=opener
    )


def bench(
    devices: Sequence[DeviceEntry], *, jobs: int = 1, watch: Watch = unwatched, opener: Opener = open_device, **how: Any
) -> list[Row[Run]]:
    """Measure each, `how` as `edgeq.bench.bench` takes it. One after the other unless `jobs` says otherwise: devices
    that share a machine disturb each other."""
    from edgeq.bench import bench as bench_device

    def measure(device: Device, entry: DeviceEntry, progress: Progress) -> Run:
        return bench_device(device, name=entry.name, progress=progress, **how)

    return over(devices, measure, jobs=jobs, watch=watch, opener=opener)


def listed(project: Project, wanted: Sequence[str] = ()) -> Sequence[DeviceEntry]:
    """The devices of an inventory: those asked for, else all of the project, else all that were ever seen from here."""
    if wanted:
        return project.select(wanted)
    if project.devices:
        return tuple(project.devices.values())
    return tuple(DeviceEntry(item.address, item.address) for item in inventory.all_known())


def survey(
    devices: Sequence[DeviceEntry],
    *,
    offline: bool = False,
    jobs: int = SURVEY_JOBS,
    deadline_s: float = SURVEY_S,
    watch: Watch = unwatched,
    opener: Opener = open_device,
) -> list[Line]:
    """The inventory: each device's state as of now, or with `offline` as it was last seen. Starts no emulator."""
    if offline:
        return [Line(entry, None, inventory.known(entry.address)) for entry in devices]

    def look(address: str, progress: Progress) -> Device:
        check_address(address)
        if address.startswith("qemu:"):
            _check_emulated(address)
        return opener(address, progress)

    rows = over(devices, lambda *_: None, jobs=jobs, deadline_s=deadline_s, watch=watch, opener=look)
    return [Line(row.device, _reachable(row), inventory.known(row.device.address), row.error) for row in rows]


def _reachable(row: Row[None]) -> bool | None:
    if row.state in (STOPPED, WAITING):
        return None
    return row.error is None or isinstance(row.error, DeviceError)


def _check_emulated(address: str) -> None:
    from edgeq import emulate

    wanted = address.partition(":")[2]
    name, _, key = wanted.partition("#")
    if (key or name) not in {item.key for item in emulate.instances()}:
        raise LinkError(f"The emulated device {wanted} does not run.", f"'edgeq emulate start {wanted}' starts it.")
