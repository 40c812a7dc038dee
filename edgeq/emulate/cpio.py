"""A cpio archive in the `newc` format, as the Linux kernel reads its initramfs.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Path without leading slash -> (permissions, content), all owned by root; folders above them are made."""
    folders = sorted({"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)})
    entries = [_entry(number, folder, stat.S_IFDIR | 0o755, b"") for number, folder in enumerate(folders, 1)]
    start = len(entries) + 1
    for number, (path, (permissions, content)) in enumerate(sorted(files.items()), start):
        entries.append(_entry(number, path, stat.S_IFREG | permissions, content))
    return b"".join(entries) + _entry(0, "TRAILER!!!", 0, b"")


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    return _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
