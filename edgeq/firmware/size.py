"""The verb `firmware size`: what firmware and runtime take on a board, as the compiler tells it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from edgeq.bundle import Bundle
from edgeq.errors import UsageError
from edgeq.firmware import ELF, Toolchain, frontend_flag, kernel_table, make, section_bytes, toolchain
from edgeq.host.paths import shipped
from edgeq.target import TargetProfile

RUNTIME = "runtime.elf"
CALL_GRAPH = "-fcallgraph-info=su"
INVOKE = ("eq_invoke", "eq_frontend_begin", "eq_frontend_feed", "eq_frontend_step")
"""What runs for one inference, of raw input too."""
INDIRECT = "__indirect_call"
LIBRARY_STACK_BYTES = 64
"""Assumed of a function of the C library or of libgcc, of which the compiler says nothing."""

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(?:\\n(\d+) bytes \((\w+)\))?"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


@dataclass(frozen=True)
class Sizes:
    """Bytes. The runtime is linked alone, with its kernels, front ends and what they call of libraries; its stack is
    the deepest path of one invoke, from raw input on. `flash_bytes` is the whole firmware."""

    flash_bytes: int
    runtime_flash_bytes: int
    runtime_data_bytes: int
    runtime_stack_bytes: int
    core_flash_bytes: int
    compiler: str


def firmware_sizes(
    target: TargetProfile, bundle: Bundle | None = None, progress: Callable[[str], None] = lambda _: None
) -> Sizes:
    """Compile and measure; with `bundle`, only with its kernels, and front ends only where it has one."""
    tools = toolchain(target)
    (table, _), front = kernel_table(bundle), frontend_flag(bundle)
    progress(f"measuring firmware for {target.name} with {tools.compiler}")
    with tempfile.TemporaryDirectory(prefix="edgeq-firmware-") as name:
        work = Path(name)
        runtime = runtime_sizes(target, tools, table, work, front)
        text, data, _ = section_bytes(tools, make(target, work, ELF, table, front, CALL_GRAPH))
        core, _, _ = section_bytes(tools, *(work / item for item in tools.core))
    return Sizes(text + data, *runtime, core, tools.version)


def runtime_sizes(
    target: TargetProfile, tools: Toolchain, table: str, work: Path, front: str = ""
) -> tuple[int, int, int]:
    """Flash, data and stack of the runtime alone; `front` as `frontend_flag` gives it."""
    text, data, bss = section_bytes(tools, make(target, work, RUNTIME, table, front, CALL_GRAPH))
    graph = [path.read_text(encoding="utf-8") for path in sorted(work.glob("*.ci"))]
    return text + data, data + bss, max(deepest(graph, function) for function in INVOKE)


def write_sizes(target: TargetProfile, sizes: Sizes) -> Path:
    """Beside the port's sources, for `edgeq build`."""
    path = shipped("firmware_stubs") / "ports" / target.port / "sizes.json"
    try:
        path.write_text(json.dumps(asdict(sizes), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.", "Use a checkout of edgeq.") from error
    return path


def deepest(files: Iterable[str], function: str) -> int:
    """Bytes of stack that `function` needs at most, by GCC's call graphs (-fcallgraph-info=su).

    A call through a pointer may lead to any static function that nobody calls by name; from a static function, to
    those of the same file.
    """
    own: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for text in files:
        for title, frame, kind in _NODE.findall(text):
            if kind not in ("", "static"):
                raise UsageError(f"{title} has a stack frame of no fixed size.", "Use no arrays of variable length.")
            if frame:
                own[title] = int(frame)
        for source, called in _EDGE.findall(text):
            calls.setdefault(source, set()).add(called)
    unnamed = {title for title in own if ":" in title}.difference(*calls.values())

    def called_by(title: str) -> set[str]:
        by_name = calls.get(title, set())
        file = title.rpartition(":")[0]
        pointed = {other for other in unnamed if other.startswith(file)} if INDIRECT in by_name else set()
        return by_name - {INDIRECT} | pointed - {title}

    @cache
    def depth(title: str) -> int:
        return own.get(title, LIBRARY_STACK_BYTES) + max(map(depth, called_by(title)), default=0)

    return depth(function)
