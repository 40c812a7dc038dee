"""Hostile manifests, names, paths and addresses, found by hypothesis. Whatever they say, nothing is written outside of
the store, no program is started, what serves serves on, and the answer is a refusal with a reason.

Around the store lie canaries: files that a path that leads out of it, or a shell that reads a name, would hit.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

from fault_lab import Lab, idle
from fault_table import Row
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.bundle import read_bundle
from edgeq.device.address import check_address, local_store
from edgeq.device.device import Device
from edgeq.errors import ArtifactError, DeviceError, EdgeqError, UsageError
from edgeq.link.memory import MemoryLink
from edgeq.link.ssh_link import remote_command
from edgeq.protocol import contract
from edgeq.protocol.status import Status

KINDS = ("manifest", "request", "wheel", "bundle", "address")
BATCHES = 20
FULL, REDUCED = 250, 25
"""Examples of one case: 20 cases are 5,000 examples."""

NASTY = st.sampled_from(
    (
        *("../canary", "../../canary", "/canary", "..", ".", "", "a/../../canary", "a\0b", "-rf", "--", ".hidden", "~"),
        *("$(touch canary)", "`touch canary`", "; touch canary", "| touch canary", "a b", "a\nb", "'", '"', "\\", "%s"),
        *("release.json", "manifest.json", "signature.json", "CON", "a" * 65, "a" * 5000, "\u202e", "é", "\udcff"),
        *("releases/1/model.tflite", "../state", "state", "model.tflite/", "./model.tflite", "//etc/passwd"),
    )
)
TEXT = NASTY | st.text(max_size=80)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
KEYS = ("schema", "kind", "name", "arch", "target", "runtime", "files", "confirm", "security_version", "mode", "golden")
EDIT = st.tuples(st.sampled_from((*KEYS, "file", "wheel", "version", "sha", "raw", "gone")), TEXT, JSON)
EDITS = st.lists(EDIT, min_size=1, max_size=3)


def _edited(manifest: dict[str, Any], edits: list[tuple[str, str, Any]]) -> bytes:
    """A manifest of which some parts are somebody's invention."""
    found = json.loads(json.dumps(manifest))
    for key, text, value in edits:
        try:
            if key == "file":  # a member that exists, under another name
                found["files"][text] = next(iter(found["files"].values()))
            elif key == "wheel":
                found["runtime"]["wheels"] = [{"sha256": text, "name": text, "file": text, "size": 1}]
            elif key == "version":
                found["runtime"]["version"] = value
            elif key == "sha":
                next(iter(found["files"].values()))["sha256"] = value
            elif key == "gone":
                del found[KEYS[len(text) % len(KEYS)]]
            elif key == "raw":
                return text.encode("utf-8", "surrogateescape")
            else:
                found[key] = value
        except (AttributeError, KeyError, StopIteration, TypeError):
            found[key] = value
    return json.dumps(found).encode()


class Prey:
    """A store that serves, with canaries around it."""

    def __init__(self, lab: Lab) -> None:
        self.home = lab.new()
        self.root = lab.store("serving").rename(self.home / "store")
        (self.home / "canary").write_text("alive")
        (self.home / "cwd").mkdir()
        self.service = Service(self.root)
        self.connection = Connection(self.service)
        self.device = Device(MemoryLink(self.connection.feed), "memory:")
        self.manifest = json.loads((lab.other.folder / "manifest.json").read_bytes())
        self.before = self.outside()
        self.good = self.device.installed().serving

    def outside(self) -> dict[str, Any]:
        """Everything that nobody may touch: what lies around the store, and the release that serves."""
        kept = [self.home, self.home / "cwd", self.home.parent]
        found: dict[str, Any] = {str(folder): sorted(path.name for path in folder.iterdir()) for folder in kept}
        found["strays"] = [str(folder) for folder in (Path.cwd(), Path("/")) if (folder / "canary").exists()]
        found["canary"] = (self.home / "canary").read_text()
        found["links"] = [str(path) for path in self.root.iterdir() if path.is_symlink()]
        return found

    def refused(self, ask: Any, *given: Any) -> None:
        """It is done, or refused with a reason; the agent neither breaks nor says that it did not foresee it."""
        try:
            ask(*given)
        except DeviceError as error:
            assert error.status != Status.UNKNOWN, f"the agent did not foresee it: {error.message}"
            assert len(error.message) < 1200, "a hostile reason is quoted at length"
        idle(self.service)

    def stage(self, document: bytes) -> None:
        sha = hashlib.sha256(document).hexdigest()
        if document:
            self.device.put(sha, document, 0, lambda _: None)
        self.device.stage(sha, [])

    def unharmed(self) -> None:
        after = self.outside()
        assert after == self.before, f"something outside of the store changed: {after}"
        serving = self.device.installed().serving
        assert serving and self.good and serving.n == self.good.n
        self.service.store.check_release(serving.n)
        for path in (self.root / "releases").iterdir():
            # What a refused request laid out in part is cleared away by the next one.
            assert path.is_dir() and not path.is_symlink() and path.name.removesuffix(".part").isdigit(), path
            assert not any(item.is_dir() for item in path.iterdir()), f"a release with a folder: {path}"


def case(lab: Lab, number: int) -> int:
    kind, count = KINDS[number % len(KINDS)], FULL if lab.full else REDUCED
    rules = settings(  # `make faults` is no pytest: the profile of tests/conftest.py does not hold there
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    done = 0

    def counted(run: Any) -> Any:
        def one(example: Any) -> None:
            nonlocal done
            done += 1
            run(example)

        return one

    tests = {"manifest": _manifests, "request": _requests, "wheel": _wheels, "bundle": _bundles, "address": _addresses}
    tests[kind](lab, lambda strategy, run: seed(number)(rules(given(strategy)(counted(run))))())
    return done


def _manifests(lab: Lab, hunt: Any) -> None:
    prey = Prey(lab)

    def one(edits: list[tuple[str, str, Any]]) -> None:
        prey.refused(prey.stage, _edited(prey.manifest, edits))

    hunt(EDITS, one)
    prey.unharmed()
    prey.service.close()


BYTES = st.binary(max_size=40) | TEXT.map(lambda text: text.encode("utf-8", "surrogateescape"))
VALUES = st.none() | st.integers(-(2**63), 2**63) | TEXT.map(lambda t: t.encode("utf-8", "replace").decode()) | BYTES
BODIES = st.dictionaries(
    st.sampled_from(
        (
            *("sha", "off", "len", "data", "n", "name", "wheels", "system", "envelope", "who", "wait_s", "job"),
            *("raw", "tensor", "look", "ops", "most"),
        )
    ),
    VALUES | st.lists(VALUES, max_size=3),
    max_size=6,
).map(lambda body: {**body, "wait_s": 0})
COMMANDS = st.sampled_from(
    (
        *(contract.BLOB_HAVE, contract.BLOB_PUT, contract.STAGE, contract.MEMBER, contract.SELFTEST, contract.ACTIVATE),
        *(contract.CONFIRM, contract.INVOKE, contract.OUTPUT, contract.JOB, contract.REPORT, contract.TRUST),
        *(contract.HOLD, contract.BENCH, contract.RELEASES),
    )
)


def _requests(lab: Lab, hunt: Any) -> None:
    prey = Prey(lab)
    hunt(st.tuples(COMMANDS, BODIES), lambda asked: prey.refused(prey.device.client.request, *asked))
    prey.device.client.request(contract.HOLD, {"who": ""})
    prey.unharmed()
    prey.service.close()


def _wheels(lab: Lab, hunt: Any) -> None:
    """A runtime wheel that is what the manifest promises, with members that want to lie elsewhere."""
    prey = Prey(lab)

    def one(members: list[tuple[str, bytes, bool]]) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data, link in members:
                item = zipfile.ZipInfo(name.encode("utf-8", "replace").decode()[:200] or "x")
                item.external_attr = (0o120777 if link else 0o644) << 16
                archive.writestr(item, b"../../canary" if link else data)
        wheel, manifest = buffer.getvalue(), json.loads(json.dumps(prey.manifest))
        sha = hashlib.sha256(wheel).hexdigest()
        manifest["runtime"]["wheels"] = [{"sha256": sha, "name": "x.whl", "size": len(wheel)}]
        document = json.dumps(manifest).encode()
        prey.device.put(sha, wheel, 0, lambda _: None)
        prey.device.put(hashlib.sha256(document).hexdigest(), document, 0, lambda _: None)
        prey.refused(prey.device.stage, hashlib.sha256(document).hexdigest(), [sha])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, about names that come twice
        hunt(st.lists(st.tuples(TEXT, st.binary(max_size=20), st.booleans()), min_size=1, max_size=3), one)
    prey.unharmed()
    for path in (prey.root / "runtimes").rglob("*"):
        assert not path.is_symlink(), f"a wheel made a link: {path}"
    prey.service.close()


def _bundles(lab: Lab, hunt: Any) -> None:
    """A bundle that somebody handed to the host."""
    home = lab.new()
    folder = home / "bundle"
    folder.mkdir()
    for name in ("model.tflite", "interface.json", "golden.cbor"):
        (folder / name).write_bytes(lab.other.path(name).read_bytes())
    (home / "canary").write_text("alive")
    manifest = json.loads((lab.other.folder / "manifest.json").read_bytes())

    def one(edits: list[tuple[str, str, Any]]) -> None:
        (folder / "manifest.json").write_bytes(_edited(manifest, edits))
        try:
            bundle = read_bundle(folder)
        except (ArtifactError, UsageError) as error:
            assert error.message
            return
        for name in bundle.files:
            assert bundle.path(name).parent == folder, f"a member lies elsewhere: {name!r}"

    hunt(EDITS, one)
    assert sorted(path.name for path in home.iterdir()) == ["bundle", "canary"]


def _addresses(lab: Lab, hunt: Any) -> None:
    """Addresses, and arguments on their way through a shell."""
    home, cwd = Path(os.environ["EDGEQ_HOME"]), lab.new()

    def one(asked: tuple[str, list[str]]) -> None:
        text, arguments = asked
        for scheme in ("local:", "ssh://", "serial:", "tcp://", "qemu:", ""):
            try:
                check_address(scheme + text)
            except EdgeqError as error:
                assert isinstance(error, UsageError) and error.message, error
                continue
            if scheme == "local:":
                assert local_store(scheme + text).parent == home, text
        try:
            line = remote_command(arguments)
        except UsageError:
            return
        assert shlex.split(os.fsdecode(line)) == arguments
        shell = subprocess.run(["sh", "-c", b"printf '%s\\0' " + line], capture_output=True, cwd=cwd)
        wanted = b"".join(argument.encode("utf-8", "surrogateescape") + b"\0" for argument in arguments)
        assert shell.stdout == wanted, arguments

    hunt(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), one)
    assert not list(cwd.iterdir()), "a shell ran what was a name"


ROW = Row(
    name="hostile",
    what="hostile manifests, requests, wheels, bundles, addresses (hypothesis, canary files)",
    cases=lambda lab: BATCHES,
    case=case,
    reduced=None,
)
