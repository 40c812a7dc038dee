"""Imports point one way: the sources of edgeq/ are read, with lazy imports too, and held to the layers of the design.

A new module that no row of `LAYERS` covers fails here: add it to the row it belongs to, the highest one that works.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module imports from its own row and the rows above it, never from one below.
LAYERS = (
    (
        *("edgeq", "edgeq.errors", "edgeq.units", "edgeq.host", "edgeq.asked", "edgeq.finding"),
        *("edgeq.waiver", "edgeq.schema"),
    ),
    (
        *("edgeq.target", "edgeq.dataset", "edgeq.interface", "edgeq.preprocess", "edgeq.model", "edgeq.run"),
        *("edgeq.transaction", "edgeq.runtime", "edgeq.runtimes", "edgeq.protocol", "edgeq.inventory"),
        *("edgeq.project",),
    ),
    (
        *("edgeq.fit", "edgeq.quantize", "edgeq.evaluate", "edgeq.micro", "edgeq.search", "edgeq.bootstrap"),
        *("edgeq.bundle", "edgeq.results", "edgeq.stats", "edgeq.sustained", "edgeq.estimate"),
        *("edgeq.passport",),
    ),
    ("edgeq.calibration",),
    ("edgeq.link",),
    ("edgeq.agent", "edgeq.client"),
    ("edgeq.device", "edgeq.probe", "edgeq.emulate", "edgeq.signing"),
    ("edgeq.report", "edgeq.compare"),
    ("edgeq.render", "edgeq.export"),
    (
        *("edgeq.building", "edgeq.build", "edgeq.check", "edgeq.check_data", "edgeq.repair"),
        *("edgeq.sensitivity", "edgeq.finetune", "edgeq.deploy", "edgeq.explained", "edgeq.plan"),
        *("edgeq.pack", "edgeq.rollback", "edgeq.verify", "edgeq.infer", "edgeq.kept", "edgeq.served"),
        *("edgeq.correctness", "edgeq.bench", "edgeq.profile", "edgeq.monitor", "edgeq.doctor"),
        *("edgeq.fetch", "edgeq.init", "edgeq.firmware"),
    ),
    ("edgeq.demo", "edgeq.fleet", "edgeq.reproduce", "edgeq.searched", "edgeq.trust"),
    ("edgeq.cli", "edgeq.__main__"),
)

# Some modules may import less than their row allows.
LOW = ("edgeq", "edgeq.errors", "edgeq.units", "edgeq.host")
ON_DEVICE = (
    *("edgeq.agent", "edgeq.client", "edgeq.errors", "edgeq.preprocess", "edgeq.protocol", "edgeq.runtime"),
    *("edgeq.transaction", "edgeq.units"),
)
ONLY = {
    **dict.fromkeys(ON_DEVICE, ("edgeq", *ON_DEVICE)),
    "edgeq.report": (
        *(*LOW, "edgeq.run", "edgeq.results", "edgeq.bootstrap", "edgeq.stats", "edgeq.sustained"),
        *("edgeq.search.front", "edgeq.report"),
    ),
    "edgeq.compare": (
        *(*LOW, "edgeq.waiver", "edgeq.run", "edgeq.results", "edgeq.bootstrap", "edgeq.stats", "edgeq.report"),
        "edgeq.compare",
    ),
    "edgeq.render": (*LOW, "edgeq.run", "edgeq.stats", "edgeq.report", "edgeq.compare", "edgeq.render"),
}

# Heavy libraries: imported inside functions only, in at most one module, which lies in one of these.
HEAVY = {
    ("tensorflow",): ("edgeq.quantize", "edgeq.model"),
    ("keras", "tf_keras"): ("edgeq.quantize", "edgeq.model"),
    ("tensorflow_model_optimization",): ("edgeq.finetune",),
    ("paramiko",): ("edgeq.link",),
    ("serial",): ("edgeq.link",),
    ("ai_edge_litert", "tflite_runtime"): ("edgeq.runtime", "edgeq.model"),
    ("litert_quantizer",): ("edgeq.quantize",),
    ("tflite_micro",): ("edgeq.quantize",),
    ("dask", "distributed"): ("edgeq.search",),
    ("PIL",): ("edgeq.dataset",),
    ("ppk2_api",): ("edgeq.probe",),
    ("pyjoulescope_driver",): ("edgeq.probe",),
    ("sklearn",): ("edgeq.demo", "edgeq.init", "edgeq.init.worker"),
}
LAZY_ON_DEVICE = {"numpy", "ai_edge_litert", "tflite_runtime"}


@dataclass(frozen=True)
class Import:
    """One import statement: `lazy` where it stands inside a function."""

    importer: str
    imported: str
    lazy: bool
    line: int

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file."""
    found = {}
    for path in (ROOT / "edgeq").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def walk(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from walk(
            child, lazy or inner or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
        )


def read(name: str, source: str, package: bool) -> list[Import]:
    """The imports of one module; `from edgeq.agent import pipe` counts as `edgeq.agent.pipe` where that is a module."""
    found = []
    for node, lazy in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            parent = name.split(".")[: len(name.split(".")) - node.level + package] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            targets = [full if (full := f"{base}.{alias.name}") in modules() else base for alias in node.names]
        found += [Import(name, target, lazy, node.lineno) for target in targets]
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(
        found
        for name, path in modules().items()
        for found in read(name, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    )


def inside(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def covers(name: str, prefix: str) -> bool:
    """Like `inside`, but the bare package `edgeq` covers only itself."""
    return name == prefix if prefix == "edgeq" else inside(name, prefix)


def rank(name: str) -> int | None:
    """The row of `LAYERS`; None where no row covers the module."""
    return next((number for number, row in enumerate(LAYERS) if any(covers(name, prefix) for prefix in row)), None)


def ours() -> Iterator[Import]:
    return (found for found in imports() if inside(found.imported, "edgeq"))


def complaints(found: Iterator[Import]) -> list[str]:
    """Everything that breaks the direction."""
    wrong = []
    for item in found:
        here, there = rank(item.importer), rank(item.imported)
        if here is not None and there is not None and there > here:
            wrong.append(f"{item}, which lies below it in LAYERS")
        for prefix, allowed in ONLY.items():
            if covers(item.importer, prefix) and not any(covers(item.imported, name) for name in allowed):
                wrong.append(f"{item}; {prefix} may import only {', '.join(allowed)}")
    return wrong


def test_every_module_has_its_place() -> None:
    strange = sorted(name for name in modules() if rank(name) is None)
    assert not strange, f"no row of LAYERS in {Path(__file__).name} covers {', '.join(strange)}: add them to one"


def test_imports_point_one_way() -> None:
    assert not complaints(ours())


def test_a_wrong_direction_would_be_seen() -> None:
    upward = read("edgeq.link.ssh", "def f():\n    from edgeq.emulate import pi\n", package=False)
    sideways = read("edgeq.agent.store", "import edgeq.bundle\n", package=False)
    relative = read("edgeq.host.paths", "from ..cli import app\n", package=False)
    assert len(complaints(iter(upward))) == 1
    assert len(complaints(iter(sideways))) == 1
    assert len(complaints(iter(relative))) == 1


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def test_there_are_no_import_cycles() -> None:
    edges: dict[str, set[str]] = {}
    for item in ours():
        if item.importer != item.imported:
            edges.setdefault(item.importer, set()).add(item.imported)
    assert not cycles(edges)
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}}) == [["a", "b", "c"]]


@pytest.mark.parametrize(("libraries", "homes"), HEAVY.items(), ids=lambda value: value[0])
def test_heavy_libraries_are_imported_in_one_place_and_lazily(
    libraries: tuple[str, ...], homes: tuple[str, ...]
) -> None:
    found = [item for item in imports() if item.imported.split(".")[0] in libraries]
    assert len({item.importer for item in found}) <= 1, [str(item) for item in found]
    assert not [str(item) for item in found if not item.lazy]
    assert not [str(item) for item in found if not any(inside(item.importer, home) for home in homes)]


def on_device() -> list[Path]:
    return [
        path for name, path in modules().items() if name == "edgeq" or any(inside(name, part) for part in ON_DEVICE)
    ]


def test_what_runs_on_a_device_needs_only_the_standard_library() -> None:
    wrong = [
        str(item)
        for item in imports()
        if any(inside(item.importer, part) for part in ON_DEVICE) and not inside(item.imported, "edgeq")
        if item.imported.split(".")[0] not in (sys.stdlib_module_names | (LAZY_ON_DEVICE if item.lazy else set()))
    ]
    assert not wrong


def test_what_runs_on_a_device_is_python_3_9() -> None:
    for path in on_device():
        ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 9))
    pytest.importorskip("vermin", reason="vermin is not installed")
    command = [
        sys.executable,
        "-c",
        "import vermin; vermin.main()",
        "--target=3.9-",
        "--no-tips",
        "--violations",
        "--no-parse-comments",
    ]
    done = subprocess.run([*command, *map(str, on_device())], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_runs_on_a_device_imports_on_a_real_python_3_9(tmp_path: Path) -> None:
    python = shutil.which("python3.9")
    if python is None or subprocess.run([python, "-V"], capture_output=True, timeout=60).returncode:
        pytest.skip("there is no python3.9 on this machine")
    shutil.copytree(ROOT / "edgeq", tmp_path / "edgeq", ignore=shutil.ignore_patterns("__pycache__"))
    names = [
        name for name in modules() if any(inside(name, part) for part in ON_DEVICE) and not name.endswith("__main__")
    ]
    code = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([python, "-S", "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom edgeq.cli import main\nsys.argv = ['edgeq', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'numpy', *%r} & set(sys.modules)\nassert not heavy, heavy\n"
    ) % [library for libraries in HEAVY for library in libraries]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
