"""A file system that forgets: what strace saw of a process, and every state in which a power cut may leave its files.

What a cut keeps: everything that was synced, and of the rest any part. A name in a folder is as it was when the folder
was last synced, or as any later call made it; a rename within a folder happens to both names or to none, one between
folders never loses the file. Bytes that were not synced are there, or are zeros, or half of them are, or none. Syncing
a file does not sync its name, as POSIX has it and most file systems do better.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

CALLS = (
    *("mkdir", "rename", "link", "symlink", "unlink", "unlinkat", "rmdir", "fsync", "ftruncate", "write", "openat"),
    *("mkdirat", "renameat", "renameat2", "linkat", "symlinkat", "fdatasync", "pwrite64", "sendfile", "truncate"),
    "copy_file_range",
)
_KNOWN = {"mkdir", "rename", "link", "symlink", "unlink", "unlinkat", "rmdir", "fsync", "ftruncate", "write", "openat"}
MOST_STATES = 600
"""Of one moment. Where there are more, these are taken: none, all, each alone, each missing, and `DRAWN` at random."""
DRAWN = 60
ARRIVING, RECENT = "incoming", 2
"""Names of blobs that arrived long ago are left in doubt only where they are these many last ones: debris, else."""


@dataclass(frozen=True)
class Op:
    """One call: `what` is create, write, sync, mkdir, rename, link, symlink, unlink, rmdir, truncate or say."""

    what: str
    path: str = ""
    to: str = ""
    data: bytes = b""


def read_strace(text: str, root: Path) -> list[Op]:
    """The operations on what lies under `root`, in their order, from `strace -f -y -xx` with whole strings."""
    found, pending = [], {}
    for line in text.splitlines():
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if "<unfinished ...>" in rest:
            pending[thread] = rest.partition("<unfinished ...>")[0]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = pending.pop(thread) + resumed[1]
        match = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)
        if match and int(match[3]) >= 0:
            found += _op(match[1], match[2], root)
    return found


_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(?:\.\.\.)?')
_FD = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+)>")


def _op(call: str, arguments: str, root: Path) -> list[Op]:
    strings = [bytes.fromhex(item.replace("\\x", "")) for item in _STRING.findall(arguments)]
    fds = [bytes.fromhex(item.replace("\\x", "")).decode() for item in _FD.findall(arguments)]
    if call == "write" and arguments.startswith("1<"):
        return [Op("say", data=strings[0])]
    names = [item.decode("utf-8", "surrogateescape") for item in strings]
    if call in ("fsync", "write", "ftruncate"):
        names, data = fds[:1], strings[:1]
    elif call in ("unlinkat", "openat") and fds and not arguments.startswith("AT_FDCWD"):
        names, data = [f"{fds[0]}/{names[0]}"], []
    else:
        data = []
    inside = [_inside(name, root) for name in names]
    if call == "symlink":
        inside[0] = names[0]
    if not inside or None in inside[-1:]:
        return []
    assert call in _KNOWN, f"the model of files does not know {call}({arguments[:100]})"
    path = str(inside[0])
    if call == "openat":
        if "O_CREAT" not in arguments and "O_TRUNC" not in arguments:
            return []
        return [Op("create", path, data=b"trunc" if "O_TRUNC" in arguments else b"")]
    if call == "unlinkat" and "AT_REMOVEDIR" in arguments:
        return [Op("rmdir", path)]
    what = {"fsync": "sync", "unlinkat": "unlink", "ftruncate": "truncate"}.get(call, call)
    return [Op(what, path, str(inside[1]) if len(inside) > 1 else "", data[0] if data else b"")]


def _inside(name: str, root: Path) -> str | None:
    try:
        return str(PurePosixPath(name).relative_to(root))
    except ValueError:
        return None


@dataclass
class Node:
    """A file, folder or symbolic link. `bytes_` is as the process sees it, `synced` what a cut surely keeps."""

    kind: str
    target: str = ""
    bytes_: bytes = b""
    synced: bytes = b""
    names: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)
    """Of a folder: per name what it was after each call since the last sync, (number of the call, node or None)."""


class Files:
    """The files of one process, and what of them is durable."""

    def __init__(self) -> None:
        self.nodes = [Node("folder")]
        self._renames: list[tuple[int, int, str, int, str]] = []
        self._clock = 0
        self.said: list[bytes] = []

    # what the process does

    def do(self, op: Op) -> None:
        """Carry out one call."""
        self._clock += 1
        if op.what == "say":
            self.said += [line for line in op.data.splitlines() if line]
            return
        getattr(self, f"_{op.what}")(op)

    def _find(self, path: str) -> tuple[int, str, int | None]:
        """(folder, name, node or None) of a path."""
        if path == ".":
            return 0, "", 0
        *folders, name = PurePosixPath(path).parts
        at = 0
        for part in folders:
            at = self.nodes[at].names[part]
        return at, name, self.nodes[at].names.get(name)

    def _name(self, folder: int, name: str, node: int | None) -> None:
        here = self.nodes[folder]
        history = here.kept.setdefault(name, [(self._clock - 1, here.names.get(name))])
        history.append((self._clock, node))
        if node is None:
            del here.names[name]
        else:
            here.names[name] = node

    def _new(self, path: str, node: Node) -> int:
        folder, name, _ = self._find(path)
        self.nodes.append(node)
        self._name(folder, name, len(self.nodes) - 1)
        return len(self.nodes) - 1

    def _create(self, op: Op) -> None:
        _, _, there = self._find(op.path)
        if there is None:
            self._new(op.path, Node("file"))
        elif op.data:
            self.nodes[there].bytes_ = b""

    def _write(self, op: Op) -> None:
        there = self._find(op.path)[2]
        assert there is not None
        self.nodes[there].bytes_ += op.data

    def _mkdir(self, op: Op) -> None:
        self._new(op.path, Node("folder"))

    def _symlink(self, op: Op) -> None:
        self._new(op.to, Node("link", op.path))

    def _link(self, op: Op) -> None:
        there = self._find(op.path)[2]
        assert there is not None
        folder, name, _ = self._find(op.to)
        self._name(folder, name, there)

    def _rename(self, op: Op) -> None:
        folder, name, there = self._find(op.path)
        to_folder, to_name, _ = self._find(op.to)
        self._name(to_folder, to_name, there)
        self._name(folder, name, None)
        self._renames.append((self._clock, folder, name, to_folder, to_name))

    def _unlink(self, op: Op) -> None:
        folder, name, _ = self._find(op.path)
        self._name(folder, name, None)

    _rmdir = _unlink

    def _sync(self, op: Op) -> None:
        there = self._find(op.path)[2]
        assert there is not None
        node = self.nodes[there]
        if node.kind == "folder":
            node.kept.clear()
        node.synced = node.bytes_

    # what a power cut leaves

    def states(self) -> Iterator[dict[str, bytes | str | None]]:
        """Every legal content of the disk: path -> bytes, target of a link ("-> ..."), or None for a folder."""
        arriving = self.nodes[0].names.get(ARRIVING)
        names = [
            (at, name, history)
            for at, node in enumerate(self.nodes)
            for name, history in (list(node.kept.items())[-RECENT:] if at == arriving else node.kept.items())
        ]
        loose = [at for at, node in enumerate(self.nodes) if node.kind == "file" and node.bytes_ != node.synced]
        choices = [range(len(history)) for _, _, history in names] + [range(len(self._versions(at))) for at in loose]
        for picked in _picks(choices):
            chosen = {(at, name): history[i] for (at, name, history), i in zip(names, picked, strict=False)}
            if self._legal(chosen):
                datas = {at: self._versions(at)[i] for at, i in zip(loose, picked[len(names) :], strict=True)}
                yield self._disk(chosen, datas)

    def _versions(self, at: int) -> list[bytes]:
        node = self.nodes[at]
        zeros = node.synced + bytes(max(0, len(node.bytes_) - len(node.synced)))
        half = node.bytes_[: (len(node.bytes_) + len(node.synced)) // 2]
        return list(dict.fromkeys((node.synced, node.bytes_, zeros, half)))

    def _legal(self, chosen: dict[tuple[int, str], tuple[int, int | None]]) -> bool:
        """Renames are whole."""
        for when, folder, name, to_folder, to_name in self._renames:
            gone = self._happened(chosen, folder, name, when)
            came = self._happened(chosen, to_folder, to_name, when)
            if (gone and not came) or (folder == to_folder and came and not gone):
                return False
        return True

    @staticmethod
    def _happened(chosen: dict[tuple[int, str], tuple[int, int | None]], folder: int, name: str, when: int) -> bool:
        """Whether a cut kept this call's effect on a name, or a later one's; what was synced it kept."""
        found = chosen.get((folder, name))
        return found is None or found[0] >= when

    def _disk(
        self, chosen: dict[tuple[int, str], tuple[int, int | None]], datas: dict[int, bytes]
    ) -> dict[str, bytes | str | None]:
        disk: dict[str, bytes | str | None] = {}

        def walk(at: int, path: str) -> None:
            node = self.nodes[at]
            for name in {*node.names, *node.kept}:
                there = chosen[at, name][1] if (at, name) in chosen else node.names.get(name)
                if there is None:
                    continue
                full, child = f"{path}{name}", self.nodes[there]
                if child.kind == "folder":
                    disk[full] = None
                    walk(there, f"{full}/")
                else:
                    disk[full] = f"-> {child.target}" if child.kind == "link" else datas.get(there, child.synced)

        walk(0, "")
        return disk


def _picks(choices: list[range]) -> Iterator[tuple[int, ...]]:
    total = 1
    for choice in choices:
        total *= len(choice)
    if total <= MOST_STATES:
        yield from itertools.product(*choices)
        return
    dice = random.Random(total)
    last = tuple(len(choice) - 1 for choice in choices)
    yield (0,) * len(choices)
    yield last
    for index in range(len(choices)):
        for value in choices[index]:
            yield tuple(value if at == index else 0 for at in range(len(choices)))
            yield tuple(value if at == index else last[at] for at in range(len(choices)))
    for _ in range(DRAWN):
        yield tuple(dice.choice(choice) for choice in choices)


def write_disk(disk: dict[str, bytes | str | None], folder: Path) -> None:
    """Make these files for real."""
    for name in sorted(disk):
        path, content = folder / name, disk[name]
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, str):
            path.symlink_to(content.removeprefix("-> "))
        else:
            path.write_bytes(content)
