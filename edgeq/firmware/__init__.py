"""The verb `firmware build`: the sources of a port compiled for one target, where the emulator looks for them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import edgeq
from edgeq.bundle import Bundle
from edgeq.errors import ArtifactError, EdgeqError, UsageError
from edgeq.host.paths import home, shipped
from edgeq.micro.image import PLAN_ABI
from edgeq.signing.compiled import key_ids, read_trust, trust_source
from edgeq.target import TargetProfile

ELF, FACTS = "firmware.elf", "firmware.json"
TABLE = "runtime/eq_kernels.c"
TRUST = "eq_port_trust.c"
COMPILE_TIMEOUT_S = 600.0
_SOURCES = (".c", ".h", ".ld", ".mk")
_ROW = re.compile(r"\s*\[EQ_(\w+)\] = &")


@dataclass(frozen=True)
class Firmware:
    """`digest` is that of everything it was made of; `kernels` are those that are compiled in; `ram_bytes` counts the
    stack, and not the arena, which is what remains. `keys` are the ids of those that images must be signed with."""

    target: str
    port: str
    digest: str
    sha256: str
    compiler: str
    kernels: tuple[str, ...]
    flash_bytes: int
    ram_bytes: int
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Toolchain:
    """What compiles a port. `core` names the object files that are the firmware's core."""

    compiler: str
    size: str
    version: str
    core: tuple[str, ...]


def build_firmware(
    target: TargetProfile,
    bundle: Bundle | None = None,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    trust: Path | None = None,
) -> tuple[Path, Firmware]:
    """Compile, unless it is there already, and say where the ELF file lies. With `bundle`, only with its kernels; with
    `trust`, a trust document, it takes only images that are signed as that asks."""
    tools = toolchain(target)
    table, kernels = kernel_table(bundle)
    front = frontend_flag(bundle)
    document = read_trust(trust) if trust else None
    keys, source = (key_ids(document), trust_source(document)) if document else ((), "")
    digest = _digest(target, table, front, source, tools)
    folder = out or home() / "firmware" / target.name
    there = _read(folder)
    if there is None or there.digest != digest:
        progress(f"compiling firmware for {target.name} with {tools.compiler}")
        with tempfile.TemporaryDirectory(prefix="edgeq-firmware-") as name:
            elf = make(target, Path(name), ELF, table, front, trust=source)
            text, data, bss = section_bytes(tools, elf)
            sha256 = hashlib.sha256(elf.read_bytes()).hexdigest()
            there = Firmware(
                target.name, target.port, digest, sha256, tools.version, kernels, text + data, data + bss, keys
            )
            _publish(elf, there, folder)
    return folder / ELF, there


def kernel_table(bundle: Bundle | None) -> tuple[str, tuple[str, ...]]:
    """The C source of the table of kernels, and their names: all there are, or those that a bundle's plan needs."""
    lines = (shipped("firmware_stubs") / TABLE).read_text(encoding="utf-8").splitlines(keepends=True)
    rows = {line: row[1].lower() for line in lines if (row := _ROW.match(line))}
    wanted = set(rows.values()) if bundle is None else _planned(bundle)
    missing = sorted(wanted - set(rows.values()))
    if missing:
        raise ArtifactError(
            f"The bundle '{bundle and bundle.folder}' needs the kernel '{missing[0]}', which this edgeq does not have.",
            "Upgrade edgeq, or build the bundle again.",
        )
    return "".join(line for line in lines if rows.get(line) in (None, *wanted)), tuple(sorted(wanted))


def frontend_flag(bundle: Bundle | None) -> str:
    """Front ends are compiled in, but for a bundle whose model has none: a variable of firmware.mk, or nothing."""
    plan = {} if bundle is None else bundle.manifest.get("plan") or {}
    return "FRONTEND=runtime/no_frontend" if plan.get("abi") == PLAN_ABI else ""


def _planned(bundle: Bundle) -> set[str]:
    plan = bundle.manifest.get("plan")
    if not isinstance(plan, dict):
        raise UsageError(
            f"The bundle '{bundle.folder}' is for {bundle.target}, which needs no firmware.",
            "Name one that was built for a microcontroller.",
        )
    return set(plan["kernels"])


def toolchain(target: TargetProfile) -> Toolchain:
    """The compiler of the target's port; a `UsageError` with the line that installs it where it is missing."""
    if not target.port or not (shipped("firmware_stubs") / "ports" / target.port).is_dir():
        raise UsageError(
            f"There is no firmware for {target.name}: its profile names no port.",
            'A microcontroller\'s profile has port = "...", a folder of firmware_stubs/ports/.',
        )
    if shutil.which("make") is None:
        raise UsageError("make is not installed; firmware is built with it.", "apt-get install -y make")
    facts = dict(line.split("=", 1) for line in _run_make(target, "facts").splitlines())
    if shutil.which(facts["compiler"]) is None:
        raise UsageError(
            f"{facts['compiler']} is not installed; firmware for {target.name} is compiled with it.",
            f"apt-get install -y {facts['packages']}",
        )
    version = subprocess.run([facts["compiler"], "--version"], capture_output=True, text=True, check=True)
    return Toolchain(facts["compiler"], facts["size"], version.stdout.splitlines()[0], tuple(facts["core"].split()))


def make(
    target: TargetProfile, work: Path, goal: str, table: str, front: str = "", flags: str = "", trust: str = ""
) -> Path:
    """Make one file of firmware.mk in `work`; `front` as `frontend_flag` gives it, `trust` as `trust_source`."""
    source = work / Path(TABLE).name
    source.write_text(table, encoding="utf-8")
    variables = [f"BUILD={work}", f"TABLE={source}", f"CFLAGS={flags}", *filter(None, [front])]
    if trust:
        (work / TRUST).write_text(trust, encoding="utf-8")
        variables.append(f"TRUST={work / TRUST}")
    _run_make(target, str(work / goal), *variables)
    return work / goal


def section_bytes(tools: Toolchain, *files: Path) -> tuple[int, int, int]:
    """Bytes of code with constants, of variables with first values, of variables without, in all `files`."""
    done = subprocess.run([tools.size, *files], capture_output=True, text=True, check=True)
    rows = [[int(figure) for figure in line.split()[:3]] for line in done.stdout.splitlines()[1:]]
    text, data, bss = map(sum, zip(*rows, strict=True))
    return text, data, bss


def _run_make(target: TargetProfile, *words: str) -> str:
    command = ["make", "--silent", f"--jobs={os.cpu_count()}", "--file=firmware.mk", f"PORT={target.port}"]
    variables = (f"TARGET={target.name}", f"VERSION={edgeq.__version__}")
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        [*command, *variables, *words],
        cwd=shipped("firmware_stubs"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMPILE_TIMEOUT_S,
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        first = next((line for line in lines if "error" in line), lines[0] if lines else "make said nothing")
        raise EdgeqError(f"The firmware for {target.name} cannot be built: {first}", "\n".join(lines[-20:]))
    return done.stdout


def _digest(target: TargetProfile, table: str, front: str, trust: str, tools: Toolchain) -> str:
    """Of all that decides what comes out."""
    stubs = shipped("firmware_stubs")
    made_of = [edgeq.__version__, target.name, target.port, tools.version, table, front, trust]
    for path in sorted(path for path in stubs.rglob("*") if path.suffix in _SOURCES):
        made_of += [str(path.relative_to(stubs)), path.read_text(encoding="utf-8")]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def _read(folder: Path) -> Firmware | None:
    """What was built before, if it is whole."""
    try:
        known = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        firmware = Firmware(**{**known, "kernels": tuple(known["kernels"]), "keys": tuple(known["keys"])})
        whole = hashlib.sha256((folder / ELF).read_bytes()).hexdigest() == firmware.sha256
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return firmware if whole else None


def _publish(elf: Path, firmware: Firmware, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in ((ELF, elf.read_bytes()), (FACTS, json.dumps(asdict(firmware), indent=1).encode() + b"\n")):
        part = folder / f".{name}.{os.getpid()}.part"
        part.write_bytes(data)
        part.replace(folder / name)
