"""Windows, as far as edgeq's own code can see it, on a Linux machine: put this folder into PYTHONPATH.

Every Python started so, workers included, shows modules of `edgeq` another world than everybody else: an `import` that
stands in one of them finds no fcntl, termios, pwd, grp, resource, tty or pty, `os.name` and `sys.platform` are those of
Windows, and os, signal, socket, select and subprocess lack or refuse what they do not have there. The standard library
and other packages keep the real ones: what they do on Windows is their own, and not what is tested.

Beside that, for everybody: a file that is open cannot be deleted, replaced or moved, a rename never replaces, and
text without an encoding is an error in a module of `edgeq`.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

ABSENT_MODULES = {"fcntl", "termios", "pwd", "grp", "resource", "tty", "pty", "posix", "syslog", "readline", "curses"}
ABSENT = {
    "os": """
        O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_CLOEXEC O_SYNC O_DSYNC O_NOCTTY O_TMPFILE O_PATH WNOHANG WEXITSTATUS
        WIFEXITED WIFSIGNALED WTERMSIG chown chroot confstr ctermid eventfd fchdir fchmod fchown fdatasync fork
        forkpty get_blocking getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getrandom
        getresuid getsid getuid initgroups killpg lchown lockf major makedev memfd_create minor mkfifo mknod nice
        openpty pathconf pidfd_open pipe2 posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv pwrite
        pwritev readv register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile set_blocking setegid
        seteuid setgid setgroups setns setpgid setpriority setsid setuid splice statvfs sync sysconf tcgetpgrp
        tcsetpgrp ttyname uname unshare wait wait3 wait4 waitid waitpid writev getxattr setxattr
    """,
    "signal": """
        SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGSYS SIGTRAP SIGTSTP
        SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ SIG_BLOCK SIG_UNBLOCK SIG_SETMASK
        alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait
        sigwaitinfo
    """,
    "socket": """
        AF_UNIX AF_NETLINK AF_PACKET SCM_RIGHTS SO_PEERCRED SO_REUSEPORT TCP_CORK TCP_QUICKACK TCP_USER_TIMEOUT
        CMSG_LEN CMSG_SPACE send_fds recv_fds sethostname MSG_DONTWAIT MSG_NOSIGNAL
    """,
    "select": "poll epoll kqueue devpoll PIPE_BUF",
    "subprocess": "",
    "sys": "abiflags getdlopenflags setdlopenflags",
}


class View(types.ModuleType):
    """A module as `edgeq` sees it: without the names of `absent`, with those of `own` instead of the real ones."""

    def __init__(self, real: types.ModuleType, absent: str, **own: Any) -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_absent", frozenset(absent.split()))
        object.__setattr__(self, "_own", own)

    def __getattribute__(self, name: str) -> Any:
        own, absent = object.__getattribute__(self, "_own"), object.__getattribute__(self, "_absent")
        real = object.__getattribute__(self, "_real")
        if name in own:
            return own[name]
        if name in absent:
            raise AttributeError(f"module '{real.__name__}' has no attribute '{name}' on Windows")
        return getattr(real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_real"), name, value)


class Popen(subprocess.Popen):
    """Refuses what is POSIX's own; no program lies where they lie on POSIX systems."""

    def __init__(self, *args: Any, **options: Any) -> None:
        for name in ("pass_fds", "preexec_fn", "user", "group", "umask", "process_group"):
            if options.get(name):
                raise ValueError(f"{name} is not supported on Windows")
        command = args[0] if args else options["args"]
        program = command if isinstance(command, str) else os.fspath(command[0])
        if program.startswith("/") and program != sys.executable:
            raise FileNotFoundError(2, "there is no such program on Windows", program)
        with warnings.catch_warnings():
            # What a program of the machine says is in the machine's encoding.
            warnings.simplefilter("ignore", EncodingWarning)
            super().__init__(*args, **options)


run = types.FunctionType(
    subprocess.run.__code__, {**vars(subprocess), "Popen": Popen}, "run", subprocess.run.__defaults__
)
run.__kwdefaults__ = subprocess.run.__kwdefaults__


def _select(*lists: Any) -> Any:
    for item in (item for some in lists[:3] for item in some):
        if not isinstance(item, socket.socket):
            raise OSError(10038, "an operation was attempted on something that is not a socket")
    return select.select(*lists)


def _open(path: Any, flags: int, *rest: Any, **more: Any) -> int:
    if Path(path).is_dir():
        raise PermissionError(13, "Permission denied", os.fspath(path))
    return os.open(path, flags, *rest, **more)


def _msvcrt() -> types.ModuleType:
    """The locks of a file's bytes."""
    import fcntl

    module = types.ModuleType("msvcrt")
    module.LK_UNLCK, module.LK_LOCK, module.LK_NBLCK = 0, 1, 2

    def locking(number: int, mode: int, size: int) -> None:
        assert (size, os.lseek(number, 0, os.SEEK_CUR)) == (1, 0), "one byte at the beginning stands for the file"
        how = {0: fcntl.LOCK_UN, 1: fcntl.LOCK_EX, 2: fcntl.LOCK_EX | fcntl.LOCK_NB}[mode]
        fcntl.flock(number, how)

    module.locking = locking
    return module


OWN: dict[str, dict[str, Any]] = {
    "os": {"name": "nt", "open": _open},
    "sys": {"platform": "win32"},
    "select": {"select": _select},
    "subprocess": {"Popen": Popen, "run": run},
}
REAL = {"os": os, "sys": sys, "signal": signal, "socket": socket, "select": select, "subprocess": subprocess}
VIEWS = {name: View(real, ABSENT[name], **OWN.get(name, {})) for name, real in REAL.items()}
VIEWS["msvcrt"] = _msvcrt()
real_import = builtins.__import__


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    spec = (globals or {}).get("__spec__")
    importer = spec.name if spec else (globals or {}).get("__name__", "")
    if level == 0 and importer.partition(".")[0] == "edgeq":
        if name.split(".")[0] in ABSENT_MODULES:
            raise ModuleNotFoundError(f"No module named '{name}' on Windows", name=name)
        if name in VIEWS:
            return VIEWS[name]
    return real_import(name, globals, locals, fromlist, level)


def _open_somewhere(path: Any) -> bool:
    """Whether this process has the file open or mapped."""
    full = Path(path).absolute()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if descriptor.readlink() == full:
                return True
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return any(line.endswith(f" {full}") for line in maps.splitlines())


def _strict(real: Any, paths: int, replaces: bool = True) -> Any:
    """`os.unlink`, `os.rename` and their like as Windows has them; files without a name are tempfile's own affair."""

    def strict(*args: Any, **more: Any) -> Any:
        by = sys._getframe(1).f_globals.get("__name__")
        for path in args[:paths] if by != "tempfile" else ():
            if isinstance(path, (str, os.PathLike)) and _open_somewhere(path):
                raise PermissionError(13, "the file is open in a process", os.fspath(path))
        if not replaces and os.path.lexists(args[1]):
            raise FileExistsError(17, "a file is already there", os.fspath(args[1]))
        return real(*args, **more)

    return strict


builtins.__import__ = _import
shutil._use_fd_functions = False  # as on Windows: by path
os.unlink = _strict(os.unlink, 1)
os.remove = _strict(os.remove, 1)
os.replace = _strict(os.replace, 2)
os.rename = _strict(os.rename, 2, replaces=False)
warnings.filterwarnings("ignore", category=EncodingWarning)
warnings.filterwarnings("error", category=EncodingWarning, module="edgeq")
