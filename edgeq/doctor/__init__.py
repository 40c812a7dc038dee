"""The verb `doctor` for this machine: what is installed, what is missing, and the one line that fixes each."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import edgeq
from edgeq import emulate
from edgeq.emulate.boards import boards
from edgeq.emulate.userlands import userlands
from edgeq.errors import EdgeqError
from edgeq.firmware import toolchain
from edgeq.host.paths import home, offline
from edgeq.host.system import without_linux
from edgeq.micro.linux import COMPILERS
from edgeq.project import Project
from edgeq.quantize.host import MICRO
from edgeq.target import TargetProfile, load_target
from edgeq.units import format_bytes

OK, MISSING, NOTE = "ok", "missing", "note"
APT = "apt-get"
_INSTALL = f"{APT} install -y "
IMPORT_TIMEOUT_S = 180.0
CACHES = ("wheels", "cache", "firmware", "emulators", "local", "devices")
PACKAGES = (
    ("ai-edge-litert", "runtime", "runs models on this machine: golden vectors, evaluation, local:"),
    ("tensorflow", "convert", "converts Keras and TensorFlow models"),
    ("paramiko", "ssh", "reaches devices over SSH"),
    ("pyserial", "serial", "reaches devices on serial ports"),
    ("pillow", "images", "reads pictures"),
    ("scikit-learn", "demo", "has the data of 'edgeq init' and 'edgeq demo'"),
)
"""(package, extra of edgeq, what it is for)."""
IMPORTS = {"tensorflow": "import tensorflow", "ai-edge-litert": "import ai_edge_litert.interpreter"}
"""Packages that are installed and yet do not load often enough to try it, in a process of their own."""
PROGRAMS = (
    ("ssh", "openssh-client", "opens SSH connections quickly"),
    ("cc", "gcc", "compiles the microcontroller runtime for this machine, where the wheel has none"),
    (APT, "apt", "fetches the userland of an emulated Raspberry Pi"),
)

_CROSS = "compiles our runtime for Linux boards that no wheel exists for"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """One answer. `needed` says that the project here cannot do without; `fix` is the line that helps."""

    name: str
    state: str
    says: str
    fix: str = ""
    needed: bool = False


def diagnose(project: Project, progress: Progress = lambda _: None) -> list[Check]:
    """Everything there is to say of this machine, with what `project` needs marked."""
    needed, broken = _needs(project)
    checks = [_python(), _home(), _network(), *_caches()]
    for package, extra, purpose in PACKAGES:
        progress(f"looking at {package}")
        checks.append(_package(package, extra, purpose))
    checks += [_program(*row) for row in PROGRAMS if row[0] != APT or not without_linux(APT)]
    checks += [*_cross_compilers(), *_compilers(), *_emulators(progress)]
    return [*(replace(_here(check), needed=check.name in needed) for check in checks), *broken]


def _here(check: Check) -> Check:
    """The same with a line that works on this system: not every one has apt-get, and emulators need Linux."""
    why = without_linux("An emulated device")
    if why and check.name.startswith("qemu:"):
        return replace(check, state=MISSING, says=why, fix="Run edgeq in a Linux virtual machine (WSL on Windows).")
    packages = check.fix.removeprefix(_INSTALL)
    if packages == check.fix or shutil.which(APT):
        return check
    return replace(check, fix=f"Install it with this system's package manager; on Debian its name is {packages}.")


def failed(checks: Iterable[Check]) -> bool:
    """Whether something is missing that the project needs."""
    return any(check.needed and check.state == MISSING for check in checks)


def _needs(project: Project) -> tuple[set[str], list[Check]]:
    """Names of checks that the project needs, and what is wrong with the project itself."""
    names, broken = set(), []
    if project.model and project.model.suffix != ".tflite":
        names |= {"tensorflow"}
    targets: list[TargetProfile] = []
    wanted = {*project.targets, *(entry.target for entry in project.devices.values() if entry.target)}
    for target in sorted(wanted):
        try:
            targets.append(load_target(target))
        except EdgeqError as error:
            broken.append(Check(f"target {target}", MISSING, error.message, error.hint, needed=True))
    own = [item for item in targets if item.runtime.kernels == MICRO]
    names |= {f"compiler for {item.cpu.arch}" for item in own if item.kind == "linux"}
    if len(own) < len(targets):
        names.add("ai-edge-litert")
    for path, key in ((project.model, "model"), (project.labels, "labels")):
        if path and not path.exists():
            broken.append(
                Check(f"project.{key}", MISSING, f"{path} does not exist", "Correct edgeq.toml.", needed=True)
            )
    for entry in project.devices.values():
        scheme, _, rest = entry.address.partition(":")
        names |= {"ssh": {"paramiko"}, "serial": {"pyserial"}}.get(scheme, set())
        if scheme == "qemu":
            name = rest.partition("#")[0]
            names |= {f"qemu:{name}"} | ({"paramiko"} if name in userlands() else {f"compiler for {name}"})
    return names, broken


def _python() -> Check:
    return Check("python", OK, f"{platform.python_version()} in {sys.executable}, edgeq {edgeq.__version__}")


def _home() -> Check:
    folder = home()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(place, os.W_OK):
        return Check("EDGEQ_HOME", MISSING, f"{folder} cannot be written", "Set EDGEQ_HOME to another folder.", True)
    return Check("EDGEQ_HOME", OK, f"{folder}, {format_bytes(shutil.disk_usage(place).free)} free")


def _network() -> Check:
    if offline():
        return Check("offline", NOTE, "EDGEQ_OFFLINE is set: nothing is fetched", "unset EDGEQ_OFFLINE")
    return Check("offline", NOTE, "no: what is missing is fetched when it is needed", "edgeq fetch --target NAME")


def _caches() -> Iterator[Check]:
    for name in CACHES:
        folder = home() / name
        if folder.is_dir():
            files, size = _size(folder)
            yield Check(f"{name}/", NOTE, f"{files} files, {format_bytes(size)}")


def _size(folder: Path) -> tuple[int, int]:
    """Files, and their bytes on disk; what vanishes meanwhile does not count."""
    files = size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                found = Path(parent, name).lstat()
                size += getattr(found, "st_blocks", -(-found.st_size // 512)) * 512
                files += 1
            except OSError:
                continue
    return files, size


def _package(package: str, extra: str, purpose: str) -> Check:
    fix = f"pip install 'edgeq[{extra}]'"
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Check(package, MISSING, f"not installed; it {purpose}", fix)
    if package not in IMPORTS:
        return Check(package, OK, version)
    trouble = _import_trouble(IMPORTS[package])
    if trouble:
        return Check(
            package, MISSING, f"{version} does not load: {trouble}", f"pip install --force-reinstall {package}"
        )
    return Check(package, OK, f"{version}, loads in a process of its own")


def _import_trouble(statement: str) -> str:
    """Why an import fails, in one line; '' where it works."""
    command = [sys.executable, "-c", statement]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=IMPORT_TIMEOUT_S, stdin=subprocess.DEVNULL, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {IMPORT_TIMEOUT_S:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else f"the process ended with {done.returncode}"


def _program(name: str, package: str, purpose: str) -> Check:
    found = shutil.which(name)
    if found:
        return Check(name, OK, found)
    return Check(name, MISSING, f"not installed; it {purpose}", _INSTALL + package)


def _cross_compilers() -> Iterator[Check]:
    """What compiles our runtime for Linux boards that no wheel exists for."""
    for arch, compiler in COMPILERS.items():
        if arch != platform.machine():
            yield replace(_program(compiler.program, compiler.package, _CROSS), name=f"compiler for {arch}")


def _compilers() -> Iterator[Check]:
    """For every emulated board the compiler of its port."""
    for name in boards():
        check = f"compiler for {name}"
        try:
            tools = toolchain(load_target(name))
        except EdgeqError as error:
            yield Check(check, MISSING, error.message, error.hint)
        else:
            yield Check(check, OK, tools.version)


def _emulators(progress: Progress) -> Iterator[Check]:
    """The recipe that a start would take; for none, what speaks against the first."""
    for name in (*userlands(), *boards()):
        progress(f"trying the emulator of {name}")
        found = emulate.probe(name)
        works = next((recipe for recipe in found if recipe.ok), None)
        if works:
            yield Check(f"qemu:{name}", OK, f"{works.name}: {works.why}")
        else:
            fix = boards()[name].install if name in boards() else f"{_INSTALL}qemu-user-static proot"
            yield Check(f"qemu:{name}", MISSING, "; ".join(f"{recipe.name}: {recipe.why}" for recipe in found), fix)
