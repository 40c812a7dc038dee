"""A trust document as C: the same keys, roles and thresholds, or a reason why a microcontroller cannot have them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from signers import Signer, trust

from edgeq.agent.trust_document import TrustDocument
from edgeq.errors import UsageError
from edgeq.signing.compiled import key_ids, read_trust, trust_source

STUBS = Path(__file__).resolve().parents[2] / "firmware_stubs"
SIGNERS = [Signer(f"{n}") for n in range(6)]
DUMP = r"""
#include <stdio.h>
int main(void)
{
    const struct eq_trust *trust = eq_port_trust;
    printf("%d %d %d %d\n", trust->threshold[EQ_BUILDER], trust->threshold[EQ_APPROVER], trust->count,
           eq_trust_sound(trust));
    for (unsigned i = 0; i < trust->count; i++) {
        for (unsigned k = 0; k < 8; k++) printf("%02x", trust->key[i].id[k]);
        printf(" ");
        for (unsigned k = 0; k < 32; k++) printf("%02x", trust->key[i].key[k]);
        printf(" %d\n", trust->key[i].role);
    }
    return 0;
}
"""


def compiled(document: TrustDocument, folder: Path) -> list[list[str]]:
    """What a program says of the keys that it was built with."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (folder / "trust.c").write_text(trust_source(document))
    (folder / "dump.c").write_text('#include "eq_port.h"\n' + DUMP)
    core = [STUBS / "core" / f"eq_{name}.c" for name in ("trust", "ed25519", "sha512")]
    include = [f"-I{STUBS / name}" for name in ("include", "ports", "core")]
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *include, *core]
    subprocess.run([*command, folder / "trust.c", folder / "dump.c", "-o", folder / "dump"], check=True, timeout=60)
    said = subprocess.run([folder / "dump"], capture_output=True, text=True, check=True, timeout=10).stdout
    return [line.split() for line in said.splitlines()]


@pytest.mark.parametrize(
    ("builders", "approvers", "thresholds"), [(1, 0, (1, 0)), (2, 0, (2, 0)), (1, 1, (1, 1)), (3, 1, (1, 1))]
)
def test_the_keys_of_the_document(tmp_path: Path, builders: int, approvers: int, thresholds: tuple[int, int]) -> None:
    listed, others = SIGNERS[:builders], SIGNERS[builders : builders + approvers]
    document = trust(listed, others, thresholds=thresholds)
    head, *rows = compiled(document, tmp_path)
    assert head == [str(thresholds[0]), str(thresholds[1]), str(builders + approvers), "0"]
    wanted = sorted([each.id[:16], each.public.hex(), "0"] for each in listed)
    wanted += sorted([each.id[:16], each.public.hex(), "1"] for each in others)
    assert rows == wanted
    assert key_ids(document) == tuple(sorted(each.id for each in listed)) + tuple(sorted(each.id for each in others))


def test_the_same_document_gives_the_same_source_and_no_comment_gets_in() -> None:
    source = trust_source(trust([Signer("*/ int x; /*")]))
    assert source == trust_source(trust([Signer("*/ int x; /*")]))
    assert "int x" not in re.sub(r"int \(", "", source)


def test_a_revoked_key_is_not_compiled_in(tmp_path: Path) -> None:
    _, *rows = compiled(trust(SIGNERS[:1], revoked=SIGNERS[1:2]), tmp_path)
    assert [row[1] for row in rows] == [SIGNERS[0].public.hex()]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (trust(SIGNERS[:5]), "1 signatures by 5 keys"),
        (trust(SIGNERS[:3], thresholds=(3, 0)), "3 signatures by 3 keys"),
        (trust(SIGNERS[:2], SIGNERS[2:3], thresholds=(2, 1)), "3 signatures by 3 keys"),
    ],
)
def test_more_than_a_microcontroller_takes(tmp_path: Path, document: TrustDocument, why: str) -> None:
    (tmp_path / "trust.json").write_bytes(document.encode())
    with pytest.raises(UsageError, match=why):
        read_trust(tmp_path / "trust.json")


def test_what_is_no_trust_document(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    for data in (b"", b"{}", trust(SIGNERS[:1]).encode() + b" "):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="cannot be used as a trust document"):
            read_trust(path)
    with pytest.raises(UsageError, match="cannot be used"):
        read_trust(tmp_path / "nowhere.json")
    path.write_bytes(trust(SIGNERS[:1]).encode())
    assert read_trust(path) == trust(SIGNERS[:1])
