"""docs/signing.md, "Signing elsewhere": openssl signs what a device that asks for two signatures takes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundles import make_bundle
from commandline import edgeq

from edgeq.device.open import open_device
from edgeq.host.paths import home

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """`edgeq` with the words of a line; the answer is its exit code, and all that it said."""
    (tmp_path / "pass").write_text("correct horse\n")
    monkeypatch.setenv("EDGEQ_KEY_PASSPHRASE_FILE", str(tmp_path / "pass"))
    monkeypatch.chdir(tmp_path)

    def started(line: str) -> tuple[int, str]:
        code, out, err = edgeq(*line.split(), capture=capfd, monkeypatch=monkeypatch)
        return code, out + err

    yield started
    with open_device("local:") as device:
        device.reset()


def openssl(line: str) -> None:
    subprocess.run(["openssl", *line.split()], check=True, capture_output=True, timeout=60)


def test_builder_and_approver_sign_elsewhere(run: Run, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", name="b")
    openssl("genpkey -algorithm ed25519 -out HSM.pem")
    openssl("pkey -in HSM.pem -pubout -out HSM.pub")
    bob = f"{home() / 'keys' / 'bob.pem'} -passin file:pass"
    for line in (
        "edgeq keys new bob --role approver",
        "edgeq keys trust new trust.json --builder HSM.pub --approver bob",
        "edgeq digest trust.json -o trust.pae",
        "openssl pkeyutl -sign -rawin -inkey HSM.pem -in trust.pae -out trust.sig",
        "edgeq attach-signature trust.json --signature trust.sig --public HSM.pub",
        "edgeq sign trust.json --key bob",
        "edgeq keys provision local: trust.json",
        "edgeq digest bundle -o model.pae",
        "openssl pkeyutl -sign -rawin -inkey HSM.pem -in model.pae -out hsm.sig",
        f"openssl pkeyutl -sign -rawin -inkey {bob} -in model.pae -out bob.raw",
        "openssl base64 -in bob.raw -out bob.sig",
    ):
        program, _, rest = line.partition(" ")
        if program == "openssl":
            openssl(rest)
        else:
            code, said = run(rest)
            assert code == 0, f"{line}: {said}"
    assert "takes signed bundles only" in run("deploy bundle --to local:")[1]
    assert run("attach-signature bundle --signature hsm.sig --public HSM.pub")[0] == 0
    code, said = run("deploy bundle --to local:")
    assert (code, "0 of 1 needed signatures of the role approver" in said) == (5, True)
    assert run("attach-signature bundle --signature bob.sig --public bob")[0] == 0
    assert run("keys check bundle --trust trust.json")[0] == 0
    assert run("deploy bundle --to local:")[0] == 0
    assert "sound, signed by " in run("verify local:")[1]
