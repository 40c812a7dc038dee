"""Run a command under a seccomp filter that lets Debian's proot (5.1, from 2014) serve today's programs.

proot translates the paths of the system calls it knows and lets newer ones through to the host's files: those answer
ENOSYS here, and programs fall back to the older ones. A process that makes itself undumpable (sftp-server does) could
not be traced by proot any more unless root traces: that wish is granted in word only. A script of its own
(`python -I -S proot_filter.py COMMAND...`); standard library only, imports nothing of edgeq.
Source of the numbers: the kernel's system call tables and include/uapi/linux/{seccomp,prctl,bpf_common}.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from dataclasses import dataclass

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 4, 22, 38, 2
ALLOW, NOT_IMPLEMENTED, DONE_NOTHING = 0x7FFF0000, 0x00050000 | 38, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16


@dataclass(frozen=True)
class Abi:
    """`unknown` are renameat2, execveat, statx, open_tree, openat2, faccessat2 and fchmodat2."""

    audit_arch: int
    prctl: int
    unknown: tuple[int, ...]


ABIS = {
    "x86_64": Abi(0xC000003E, 157, (316, 322, 332, 428, 437, 439, 452)),
    "aarch64": Abi(0xC00000B7, 167, (276, 281, 291, 428, 437, 439, 452)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def bpf(abi: Abi) -> bytes:
    """The filter, 8 bytes an instruction: (code, jump if true, jump if false, operand)."""
    count = len(abi.unknown)
    code = [(LOAD, 0, 0, ARCH), (JUMP_IF_EQUAL, 0, count + 4, abi.audit_arch), (LOAD, 0, 0, NUMBER)]
    code += [(JUMP_IF_EQUAL, count - index + 3, 0, number) for index, number in enumerate(abi.unknown)]
    code += [(JUMP_IF_EQUAL, 0, 2, abi.prctl), (LOAD, 0, 0, FIRST_ARGUMENT), (JUMP_IF_EQUAL, 2, 0, PR_SET_DUMPABLE)]
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOT_IMPLEMENTED), (RETURN, 0, 0, DONE_NOTHING)]
    return b"".join(struct.pack("=HBBI", *step) for step in code)


def main(command: list[str]) -> None:
    """Never returns when all is well; where the filter cannot be set the command runs without it."""
    if abi := ABIS.get(os.uname().machine):
        libc = ctypes.CDLL(None, use_errno=True)
        code = bpf(abi)
        program = _Program(len(code) // 8, code)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    os.execvp(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
