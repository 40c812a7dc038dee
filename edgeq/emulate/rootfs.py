"""A Debian or Ubuntu userland as a folder, made without root, chroot or maintainer scripts, and cached.

The folder is shared by all instances and meant to be read only: what an instance writes lies in folders of its own
that are laid over /home, /tmp, /run and /etc/edgeq (its sshd_config, keys and `emulated` note).
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeq.emulate.apt import AptSources, PrivateApt, host_sources
from edgeq.emulate.userlands import Userland
from edgeq.errors import UsageError
from edgeq.host.lock import locked
from edgeq.host.paths import home, offline

FORMAT = 6
"""Raise it when the way of building changes: old caches are then left alone and a new one is made."""

PACKAGES = (
    *(
        "openssh-server",
        "openssh-sftp-server",
        "python3",
        "libstdc++6",
        "base-files",
        "base-passwd",
        "bash",
        "coreutils",
    ),
    *("dash", "diffutils", "findutils", "grep", "gzip", "hostname", "login", "mawk", "mount", "ncurses-base", "procps"),
    *("sed", "tar", "util-linux"),
)
OPTIONAL = ("usr-is-merged",)
"""Asked for where the distribution has them; usr-is-merged spares Debian the whole of perl."""

BUILD_TIMEOUT_S = 1200.0
USER = "pi"
UID = 1000
GROUP_WITHOUT_TTY = "usr/share/edgeq/group-without-tty"
"""Laid over /etc/group where the guest has one id only: sshd would give terminals to tty, and could not."""

_ALTERNATIVES = {"awk": "mawk", "which": "which.debianutils"}
_LIBRARY_CHOICES = ("blas", "lapack")
_UNWANTED = ("doc", "man", "locale", "info", "lintian", "bug")
_USERS = f"""sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:{UID}:{UID}:Emulated Raspberry Pi,,,:/home/{USER}:/bin/bash
"""
Progress = Callable[[str], None]


def rootfs(userland: Userland, progress: Progress) -> Path:
    """The cached root file system, built first if need be (about 10 s and 55 MB of packages)."""
    sources = host_sources()
    folder = home() / "cache" / "rootfs" / _key(userland, sources)
    with building(folder, progress, f"the {userland.arch} userland") as part:
        if part:
            progress(f"Fetching the {userland.arch} packages of the emulated Pi (once, about 36 MB)")
            with private_apt(sources, userland.arch) as apt:
                if apt.incomplete:
                    progress(f"Going on without some packages: {apt.incomplete}")
                optional = sorted(set(OPTIONAL) & apt.known())
                debs = apt.fetch([*PACKAGES, *userland.packages, *optional])
                progress(f"Unpacking {len(debs)} packages")
                _unpack_all(debs, part)
            _settle(userland, part)
    return folder


def _key(userland: Userland, sources: AptSources) -> str:
    board = userland.cpuinfo + userland.model + repr(sorted(userland.sys_files().items()))
    packages = (*PACKAGES, *userland.packages)
    text = repr((FORMAT, packages, OPTIONAL, _USERS, sources.text, board))
    return f"{userland.arch}-" + hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def building(folder: Path, progress: Progress, what: str) -> Iterator[Path | None]:
    """Yield a new folder to fill, which becomes `folder` when the block ends well; None where that is there."""
    if folder.is_dir():
        yield None
        return
    lock = folder.with_name(folder.name + ".lock")
    with locked(lock, BUILD_TIMEOUT_S, lambda: progress(f"Waiting for another process that makes {what}")):
        if folder.is_dir():
            yield None
            return
        for stale in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            part.chmod(0o755)
            yield part
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def private_apt(sources: AptSources, arch: str) -> Iterator[PrivateApt]:
    """apt in a folder that is thrown away afterwards; `UsageError` where EDGEQ_OFFLINE forbids it."""
    if offline():
        raise UsageError(
            f"The emulated device needs {arch} packages that are not in the cache yet, and EDGEQ_OFFLINE is set.",
            "Run 'edgeq fetch --target NAME --emulator' once without EDGEQ_OFFLINE.",
        )
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=home() / "cache") as folder:
        yield PrivateApt(Path(folder), sources, arch)


def _unpack_all(debs: Sequence[Path], root: Path) -> None:
    """Unpack into a merged-/usr layout, without documentation and translations."""
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for deb in debs:
        unpack(deb, root)


def unpack(deb: Path, root: Path) -> None:
    """The files of one package into `root`; symbolic links to folders (/bin, /lib) are kept."""
    if not shutil.which("dpkg-deb"):
        raise UsageError(
            "There is no dpkg-deb here to unpack the packages of the emulated device.", "apt-get install -y dpkg"
        )
    excluded = [f"--exclude=./usr/share/{name}" for name in _UNWANTED]
    command = ["tar", "-x", "-p", "-C", str(root), "--numeric-owner", "--keep-directory-symlink", *excluded]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as source:
        done = subprocess.run(command, stdin=source.stdout, capture_output=True, text=True, timeout=300)
        if source.stdout:
            source.stdout.close()
    if done.returncode or source.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"dpkg-deb ended with {source.returncode}"]
        raise UsageError(f"The package {deb.name} could not be unpacked: {reason[0]}.", "Is the disk full?")


def _settle(userland: Userland, root: Path) -> None:
    """What maintainer scripts would do, as far as the device needs it: users, board, alternatives, compiled Python."""
    masters = root / "usr/share/base-passwd"
    userland.write(root)
    passwd = (masters / "passwd.master").read_text(encoding="ascii").replace(":*:", ":x:")
    (root / "etc/passwd").write_text(passwd + _USERS, encoding="ascii")
    group = (masters / "group.master").read_text(encoding="ascii")
    group += f"{USER}:x:{UID}:\n"
    (root / "etc/group").write_text(group, encoding="ascii")
    without_tty = "".join(line for line in group.splitlines(keepends=True) if not line.startswith("tty:"))
    (root / GROUP_WITHOUT_TTY).write_text(without_tty, encoding="ascii")
    names = [line.partition(":")[0] for line in (passwd + _USERS).splitlines()]
    (root / "etc/shadow").write_text("".join(f"{name}:*:19000:0:99999:7:::\n" for name in names), encoding="ascii")
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/nsswitch.conf").write_text(
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n", encoding="ascii"
    )
    # proot lays something over these two; what is not there it would make, unreadable, in this cache.
    (root / "etc/ld.so.preload").touch()
    for name in ("dev", "proc", "sys", "run", "tmp", "home", "mnt", "etc/edgeq", "host-rootfs"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/edgeq-emulated").symlink_to("edgeq/emulated")
    for name, program in _ALTERNATIVES.items():
        link = root / "usr/bin" / name
        if not link.exists() and (root / "usr/bin" / program).exists():
            link.symlink_to(program)
    for library in root.glob("usr/lib/*/*/lib*.so.3"):
        # Debian's blas and lapack, which numpy needs: update-alternatives would choose them.
        link = library.parents[1] / library.name
        if library.parent.name in _LIBRARY_CHOICES and not link.exists():
            link.symlink_to(f"{library.parent.name}/{library.name}")
    _take_setuid(root)
    _compile_python(root)


def _take_setuid(root: Path) -> None:
    """No program changes the user: on the host that would be a hole, and one unpacked by a plain user fails."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(mode) & 0o777)


def _compile_python(root: Path) -> None:
    """Byte-compile the guest's standard library with a host Python of the same version; without one it stays as it is.

    The guest's root is read only, so it would otherwise compile under emulation again at every start of Python.
    """
    for library in sorted((root / "usr/lib").glob("python3.[0-9]*")):
        for python in (f"/usr/bin/{library.name}", shutil.which(library.name) or "", sys.executable):
            if python and _version(python) == library.name:
                packages = [str(path) for path in (root / "usr/lib/python3/dist-packages",) if path.is_dir()]
                command = [python, "-I", "-m", "compileall", "-q", "-s", str(root), "-p", "/", str(library), *packages]
                subprocess.run(command, capture_output=True, timeout=300)
                break


def _version(python: str) -> str:
    """`python3.11` for an interpreter of that version, '' where it does not run."""
    script = "import sys; print('python%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
