"""Run a command as if the kernel were from before 2014: newer system calls that take a path answer ENOSYS.

Debian's proot (5.1) translates the paths of the calls it knows and lets others through to the host's files; programs
fall back to the older calls where the kernel has no newer ones. A script of its own (`python -I -S older_kernel.py
COMMAND...`); standard library only, imports nothing of edgeq. Source of the numbers: the kernel's system call tables.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO_ENOSYS = 0x7FFF0000, 0x00050000 | 38
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
OFFSET_NUMBER, OFFSET_ARCH = 0, 4

# renameat2, execveat, statx, open_tree, openat2, faccessat2, fchmodat2
CALLS = {
    "x86_64": (0xC000003E, (316, 322, 332, 428, 437, 439, 452)),
    "aarch64": (0xC00000B7, (276, 281, 291, 428, 437, 439, 452)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def bpf(arch: int, numbers: tuple[int, ...]) -> bytes:
    """The filter: other architectures and other calls pass; those of `numbers` answer ENOSYS."""
    count = len(numbers)
    code = [(LOAD, 0, 0, OFFSET_ARCH), (JUMP_IF_EQUAL, 0, count + 1, arch), (LOAD, 0, 0, OFFSET_NUMBER)]
    code += [(JUMP_IF_EQUAL, count - index, 0, number) for index, number in enumerate(numbers)]
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO_ENOSYS)]
    return b"".join(struct.pack("=HBBI", *step) for step in code)


def main(command: list[str]) -> None:
    """Never returns when all is well; where the filter cannot be set the command runs without it."""
    if known := CALLS.get(os.uname().machine):
        libc = ctypes.CDLL(None, use_errno=True)
        code = bpf(*known)
        program = _Program(len(code) // 8, code)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    os.execvp(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
