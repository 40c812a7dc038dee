"""Models' processes that leak, hang, crash and fork: the agent answers, and the next inference gets a new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agents import until
from badruntimes import CRASHES, ENDS, HANGS, LEAKS, TRIGGER, bad_runtime
from bundles import make_bundle, tiny
from inmemory import connect

from edgeq.agent import limits
from edgeq.agent.process import ModelProcess
from edgeq.agent.service import Service
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.link.program import ProgramLink
from edgeq.protocol.status import Status

MODEL = Path(__file__).resolve().parents[1] / "cases" / "models" / "tiny_int8.tflite"


def sample(first: int = 1) -> bytes:
    size = sum(tensor.size_bytes for tensor in tiny()[1].inputs)
    return bytes([first]) + bytes(size - 1)


def gone(number: int) -> bool:
    """Whether the process has ended; one that nobody has asked for its exit code counts."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (CRASHES, Status.RUNTIME, "was killed by SIGABRT"),
        (ENDS, Status.RUNTIME, "ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Status.RUNTIME, "was killed by SIGSEGV"),
        (HANGS, Status.TIMEOUT, "gave no answer within 3 s"),
        (LEAKS, Status.RUNTIME, "ran out of memory; its process may take 368435456 bytes"),
        ("sys.setrecursionlimit(10)", Status.RUNTIME, "RecursionError"),
    ],
    ids=["crashes", "ends", "segfaults", "hangs", "leaks", "is confused"],
)
def test_the_agent_answers_and_the_next_inference_gets_a_new_process(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, status: Status, said: str
) -> None:
    bundle = make_bundle(tmp_path / "b", confirm={"memory_bytes": 100_000_000})
    with connect(service) as device:
        deploy(bundle, device, runtime=bad_runtime(tmp_path / "place", code))
        good = device.invoke(sample())
        for _ in range(2):
            with monkeypatch.context() as patch, pytest.raises(DeviceError, match=said) as no:
                if code == HANGS:
                    patch.setattr("edgeq.agent.service.INVOKE_TIMEOUT_S", 3.0)
                device.invoke(sample(TRIGGER))
            assert no.value.status == status
            assert device.invoke(sample()) == good
        assert device.describe()["kind"] == "linux"


@pytest.mark.parametrize(
    "code",
    [
        "number = os.fork()\n            if not number:\n                time.sleep(1e6)",
        "number = subprocess.Popen(['sleep', '1000000']).pid",
    ],
    ids=["forks", "starts a program"],
)
def test_what_a_model_starts_ends_with_it(service: Service, tmp_path: Path, code: str) -> None:
    told = tmp_path / "number"
    whole = f"{code}\n            open({str(told)!r}, 'w').write(str(number))\n            os.abort()"
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "b"), device, runtime=bad_runtime(tmp_path / "place", whole))
        begun = time.monotonic()
        with pytest.raises(DeviceError, match="SIGABRT"):
            device.invoke(sample(TRIGGER))
        assert time.monotonic() - begun < 30  # nobody waits for the child's end of a pipe
        until(lambda: gone(int(told.read_text())), 10)
        assert device.invoke(sample())


def test_crashes_in_a_row_make_a_trial_bad(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
        trial = make_bundle(tmp_path / "b", name="b", confirm={"window_s": 600, "bad": 3})
        place = bad_runtime(tmp_path / "place", CRASHES)
        assert deploy(trial, device, runtime=place, watch=False).state == "trial"
        for _ in range(3):
            assert device.installed().trial == 2
            with pytest.raises(DeviceError):
                device.invoke(sample(TRIGGER))
        until(lambda: device.installed().trial is None)
        found = device.installed()
        assert found.serving is not None
        assert (found.serving.n, found.releases[1].state) == (1, "bad")
        assert found.releases[1].why.startswith("3 bad inferences: the model's process was killed by SIGABRT")
        assert device.invoke(sample(TRIGGER))  # by what served before, which does not mind


def test_a_model_that_hangs_does_not_outlive_its_agent(tmp_path: Path) -> None:
    told = tmp_path / "number"
    code = f"open({str(told)!r}, 'w').write(str(os.getpid()))\n            time.sleep(1e6)"
    store = tmp_path / "store"
    command = [sys.executable, str(agent_path()), "attach", str(store)]
    with Device(ProgramLink(command, "local:"), "local:") as device:
        deploy(make_bundle(tmp_path / "b"), device, runtime=bad_runtime(tmp_path / "place", code))
        asking = subprocess.Popen([sys.executable, "-c", ASK, str(agent_path()), str(store), str(len(sample()))])
        until(lambda: told.exists() and told.read_text())
    worker = int(told.read_text())
    daemon = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(daemon, signal.SIGKILL)
    asking.kill()
    asking.wait(30)
    until(lambda: gone(worker), 30)


ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from edgeq.agent.here import Here
from edgeq.protocol import contract
size = int(sys.argv[3])
with Here(Path(sys.argv[2]), start=False) as here:
    here.ask(contract.INVOKE, {"off": 0, "len": size, "data": bytes([77]) + bytes(size - 1)}, 100)
"""


def test_the_process_of_a_model_is_confined() -> None:
    with ModelProcess(MODEL, runtime=None, threads=1, kernels="xnnpack") as process:
        folder = Path(f"/proc/{process.pid}")
        assert (folder / "oom_score_adj").read_text().strip() == str(limits.VICTIM)
        lines = {line[:26].strip(): line[26:].split() for line in (folder / "limits").read_text().splitlines()}
        assert lines["Max data size"][0] == str(limits.memory_limit(MODEL))
        assert lines["Max core file size"][0] == "0"
        assert os.getsid(process.pid) == process.pid != os.getsid(0)


@pytest.mark.parametrize(
    ("policy", "ram", "limit"),
    [
        (0, 0, 0),
        (0, 1 << 30, 3 << 28),
        (0, 64 << 20, 256 << 20),
        (100 << 20, 0, 356 << 20),
        (300 << 20, 8 << 30, 600 << 20),
        (900 << 20, 1 << 30, 3 << 28),
    ],
)
def test_how_much_it_may_take(policy: int, ram: int, limit: int) -> None:
    assert limits.limit_for(policy, ram) == limit


def test_a_manifest_that_says_nothing_or_nonsense(tmp_path: Path) -> None:
    plain = limits.memory_limit(tmp_path / "model.tflite")
    for text in ("{}", "{", "[]", '{"confirm": {"memory_bytes": "x"}}', '{"confirm": 3}'):
        (tmp_path / "manifest.json").write_text(text)
        assert limits.memory_limit(tmp_path / "model.tflite") == plain
    (tmp_path / "manifest.json").write_text('{"confirm": {"memory_bytes": 1}}')
    assert limits.memory_limit(tmp_path / "model.tflite") == (256 << 20) + 1
