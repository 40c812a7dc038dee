"""Recipe A's machinery: run a command on a root file system of another architecture, in namespaces of its own.

A script of its own (`python -I -S namespaces.py SPEC.json`); standard library only, imports nothing of edgeq.
It needs no privilege beyond what the kernel gives everybody. The spec says:

    rootfs    folder that becomes /, read only
    binds     [[source, path in the root file system, writable], ...]: laid over it
    emulator  such as qemu-aarch64-static, registered in a binfmt_misc of this user namespace; "" uses the host's
              registration
    elf       [class, machine] in the ELF header of the programs that it runs
    all_ids   true maps the ids 0..65535 to themselves (needs root); false maps the caller's only, as uid 1000
    command, environment

The stages: a helper outside writes the id maps; process 1 of the new pid namespace mounts, pivots and becomes the
command. When this process dies, the kernel kills process 1, and with it everything inside. Exit code: the command's,
or 97 with one line on stderr that says which step failed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "armv7l": 218, "riscv64": 41, "ppc64le": 203, "s390x": 217}
FAILED = 97
GUEST_UID = 1000

MAGIC = rb"\x7fELF\x%02x\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x%02x\x00"
MASK = rb"\xff\xff\xff\xff\xff\xff\xff\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
NODES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}

_WHY_NOT = {
    errno.ENOSPC: " (the kernel allows no more of them: user.max_user_namespaces)",
    errno.EPERM: " (denied, as containers and some distributions do)",
}
_libc = ctypes.CDLL(None, use_errno=True)


class StepFailed(Exception):
    """One step of the set-up did not work; the text says which and why."""


def main(arguments: list[str]) -> int:
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        _unshare_with_maps(spec["all_ids"])
        init = os.fork()
        if init == 0:
            _guarded(lambda: _become(spec))
        status = os.waitpid(init, 0)[1]
        return os.waitstatus_to_exitcode(status) % 256
    except StepFailed as error:
        return _failed(error)


def _failed(error: StepFailed) -> int:
    os.write(2, f"edgeq: cannot {error}\n".encode())
    return FAILED


def _guarded(body: Callable[[], None]) -> None:
    """Run `body` in a forked child, which never returns from here."""
    try:
        body()
    except Exception as error:
        _failed(error if isinstance(error, StepFailed) else StepFailed(f"set up the guest: {error!r}"))
    finally:
        os._exit(FAILED)


def _check(what: str, result: int) -> None:
    if result < 0:
        raise StepFailed(f"{what}: {os.strerror(ctypes.get_errno())}")


def _unshare_with_maps(all_ids: bool) -> None:
    """Enter new namespaces; a helper that stays outside writes the id maps, for only it may map more than one id."""
    uid, gid, pid = os.geteuid(), os.getegid(), os.getpid()
    go_read, go_write = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(go_write)
        os._exit(_write_maps(pid, uid, gid, all_ids) if os.read(go_read, 1) else 1)
    os.close(go_read)
    namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC
    if _libc.unshare(namespaces) < 0:
        number = ctypes.get_errno()
        raise StepFailed(f"make a user namespace: {os.strerror(number)}{_WHY_NOT.get(number, '')}")
    os.write(go_write, b"1")
    os.close(go_write)
    if os.waitpid(helper, 0)[1]:
        raise StepFailed("map user ids into the user namespace")


def _write_maps(pid: int, uid: int, gid: int, all_ids: bool) -> int:
    proc = Path(f"/proc/{pid}")
    try:
        if not all_ids:
            (proc / "setgroups").write_text("deny", encoding="ascii")
        (proc / "uid_map").write_text("0 0 65536" if all_ids else f"0 {uid} 1", encoding="ascii")
        (proc / "gid_map").write_text("0 0 65536" if all_ids else f"0 {gid} 1", encoding="ascii")
    except OSError as error:
        os.write(2, f"edgeq: {error}\n".encode())
        return 1
    return 0


def _mount(what: str, source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    _check(f"mount {what}", _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None))


def _bind(source: str, target: str, writable: bool) -> None:
    _mount(target, source, target, None, MS_BIND)
    if not writable:
        _make_read_only(target)


def _make_read_only(target: str) -> None:
    """Flags that the host set on this file system are locked in a user namespace, and so have to stay."""
    locked = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount(f"{target} read only", None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | locked)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _become(spec: dict[str, Any]) -> None:
    """Process 1: build the file system, move into it, become the command."""
    _die_with_parent()
    root = spec["rootfs"]
    _mount("nothing of ours outside", None, "/", None, MS_REC | MS_PRIVATE)
    _mount("the root file system", root, root, None, MS_BIND | MS_REC)
    _mount("/proc", "proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if spec["emulator"]:
        _register(f"{root}/proc/sys/fs/binfmt_misc", spec["emulator"], spec["elf"])
    _bind(f"{root}/usr/share/edgeq/cpuinfo", f"{root}/proc/cpuinfo", writable=False)
    _make_dev(f"{root}/dev", spec["all_ids"])
    _mount("/run", "tmpfs", f"{root}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    Path(root, "run/sshd").mkdir(mode=0o755)
    _mount("/tmp", "tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108 - in the guest
    for source, target, writable in spec["binds"]:
        _bind(source, f"{root}{target}", writable)
    _pivot(root)
    _check("name the host", _libc.sethostname(spec["hostname"].encode(), len(spec["hostname"])))
    if not spec["all_ids"]:
        _as_guest_user()
    elif os.geteuid() == 0:
        os.setgroups([])
    os.umask(0o022)
    _die_with_parent()
    try:
        os.execve(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - a list, no shell
    except OSError as error:
        raise StepFailed(f"run {spec['command'][0]}, a program of the guest: {error.strerror}") from error


def _register(folder: str, emulator: str, elf: list[int]) -> None:
    """A binfmt_misc of this user namespace (kernel 6.7 and later); F opens the emulator now."""
    _mount("a private binfmt_misc", "binfmt_misc", folder, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    try:
        magic = MAGIC % tuple(elf)
        Path(folder, "register").write_bytes(b":edgeq:M::" + magic + b":" + MASK + b":" + emulator.encode() + b":FPC")
    except OSError as error:
        raise StepFailed(f"register {emulator} in binfmt_misc: {error.strerror}") from error


def _make_dev(dev: str, all_ids: bool) -> None:
    _mount("/dev", "tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755")
    for name in NODES:
        Path(dev, name).touch()
        _mount(f"/dev/{name}", f"/dev/{name}", f"{dev}/{name}", None, MS_BIND)
    for name, target in LINKS.items():
        Path(dev, name).symlink_to(target)
    for name in ("pts", "shm"):
        Path(dev, name).mkdir()
    options = "newinstance,ptmxmode=0666,mode=620" + (",gid=5" if all_ids else "")
    _mount("/dev/pts", "devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
    _mount("/dev/shm", "tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108 - in the guest


def _pivot(root: str) -> None:
    """Make `root` the root, detach everything else, and take write access from it."""
    os.chdir(root)
    _check("pivot into the root file system", _libc.syscall(PIVOT_ROOT[os.uname().machine], b".", b"."))
    _check("detach the host's file systems", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")
    _make_read_only("/")


def _as_guest_user() -> None:
    """A second user namespace in which the caller's one id is the guest's user, without capabilities after the exec."""
    _check("make a second user namespace", _libc.unshare(CLONE_NEWUSER))
    try:
        # Bytes, not text: the host's Python library is out of sight here, so no codec can be loaded any more.
        Path("/proc/self/setgroups").write_bytes(b"deny")
        Path("/proc/self/uid_map").write_bytes(b"%d 0 1" % GUEST_UID)
        Path("/proc/self/gid_map").write_bytes(b"%d 0 1" % GUEST_UID)
    except OSError as error:
        raise StepFailed(f"map the guest's user id: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
