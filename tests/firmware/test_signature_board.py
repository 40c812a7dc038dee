"""Signatures on the emulated Cortex-M4: verdicts, instructions, stack; and a board whose firmware has keys."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import board
import pytest
from mcu import BOARD, make_image
from once import once
from service import put
from signers import Signer, trust
from test_signature_device import install, refused, works

from edgeq import emulate
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError
from edgeq.firmware import ELF, FACTS, build_firmware
from edgeq.protocol.status import Status
from edgeq.signing import image as signing
from edgeq.signing.compiled import trust_source
from edgeq.target import load_target

pytestmark = pytest.mark.skipif(
    bool(board.missing_tools()), reason=f"not installed: {', '.join(board.missing_tools())}"
)

ONE, TWO, STRANGER = Signer("builder"), Signer("approver"), Signer("stranger")
TRUST = trust([ONE], [TWO])
MAIN = Path(__file__).parents[1] / "cases" / "firmware" / "signature_main.c"
CORE = "core/eq_ed25519.c core/eq_sha512.c core/eq_trust.c"
OK, SIGNATURE = 0, -6
INSTRUCTIONS, INSTRUCTIONS_BOTH = 4_500_000, 9_000_000
"""At most, of one verification and of an envelope with two signatures."""
STACK_BYTES, STACK_BYTES_BOTH = 1100, 1500
FLASH_BYTES = 6 * 1024
"""Of ed25519, SHA-512 and the trust, compiled as firmware is."""


@dataclass(frozen=True)
class Checked:
    status: int
    instructions: int
    stack_bytes: int


@pytest.fixture(scope="module")
def checker() -> Path:
    """The program that checks cases in flash."""

    def build(folder: Path) -> None:
        source = folder / "eq_port_trust.c"
        source.write_text(trust_source(TRUST))
        board.build(folder, f"MAIN={MAIN}", f"CORE={CORE}", f"TRUST={source}")

    return once("signature-board", build) / "firmware.elf"


def case(key: bytes, signature: bytes, message: bytes) -> bytes:
    data = key + signature + message
    return struct.pack("<4I", len(message), 0, 0, 0) + data + bytes(-len(data) % 16)


def check(program: Path, cases: Sequence[bytes]) -> list[Checked]:
    """The stack of a case is the deepest one so far."""
    said = board.execute(program, cases)
    return [
        Checked(status, round(ticks * board.INSTRUCTIONS_PER_TICK), stack)
        for status, ticks, stack in struct.iter_unpack("<iII", said)
    ]


def image(*signers: Signer, name: str = "tiny", security_version: int = 0) -> bytes:
    data = make_image(target=BOARD, name=name, edit=lambda image: struct.pack_into("<I", image, 40, security_version))
    for signer in signers:
        data = signing.attach(data, signer.id, signer.sign(signing.message(data)))
    return data


def test_verdicts_instructions_and_stack(checker: Path) -> None:
    good, wrong = [], []
    for n in range(6):
        signer, message = Signer(f"{n}"), bytes(range(n * 40))
        signature = bytearray(signer.sign(message))
        good.append(case(signer.public, bytes(signature), message))
        signature[n * 11] ^= 1 << n
        wrong.append(case(signer.public, bytes(signature), message))
    both = [
        case(bytes(32), bytes(64), image(*signers)[:256])
        for signers in ((ONE, TWO), (TWO, ONE), (ONE, STRANGER), (ONE,), ())
    ]
    told = check(checker, [*good, *wrong, *both])
    assert len(told) == 17
    assert [item.status for item in told] == [OK] * 6 + [SIGNATURE] * 6 + [OK, OK, SIGNATURE, SIGNATURE, SIGNATURE]
    assert max(item.instructions for item in told[:12]) <= INSTRUCTIONS
    assert max(item.instructions for item in told) <= INSTRUCTIONS_BOTH
    assert max(item.stack_bytes for item in told[:12]) <= STACK_BYTES
    assert told[-1].stack_bytes <= STACK_BYTES_BOTH


def keyed_firmware() -> Path:
    """Firmware that asks for a builder and an approver, built once a run."""

    def make(folder: Path) -> None:
        (folder / "trust.json").write_bytes(TRUST.encode())
        build_firmware(load_target(BOARD), out=folder, trust=folder / "trust.json")

    return once("firmware-keyed", make) / ELF


def test_its_flash_is_small_and_not_linked_without_keys(checker: Path, firmware_board: Path) -> None:
    objects = [checker.with_name(f"eq_{name}.o") for name in ("ed25519", "sha512", "trust")]
    sizes = subprocess.run(["arm-none-eabi-size", *objects], capture_output=True, text=True, check=True).stdout
    rows = [[int(figure) for figure in line.split()[:3]] for line in sizes.splitlines()[1:]]
    assert sum(row[0] for row in rows) <= FLASH_BYTES
    assert not any(row[1] or row[2] for row in rows)
    for elf, keys in ((firmware_board, False), (keyed_firmware(), True)):
        names = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True).stdout
        made = json.loads(elf.with_name(FACTS).read_text(encoding="utf-8"))
        assert ("eq_ed25519_check" in names) == bool(made["keys"]) == keys


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The emulated board, whose firmware asks for a builder and an approver."""
    monkeypatch.setenv(VARIABLE, str(keyed_firmware()))
    try:
        with open_device(emulate.start(BOARD).address) as device:
            yield device
    finally:
        emulate.stop(BOARD)


def test_a_board_with_keys(keyed: Device) -> None:
    assert keyed.describe()["signed"] is True
    assert keyed.describe()["emulated"] is True
    for signers in ((), (ONE,), (TWO,), (STRANGER, ONE)):
        refused(keyed, image(*signers))
    install(keyed, image(ONE, TWO, security_version=3), "a")
    install(keyed, image(TWO, ONE, security_version=3, name="second"), "b")
    assert works(keyed)
    refused(keyed, image(ONE, TWO, security_version=2, name="old"), Status.STATE)
    whole = image(ONE, TWO, security_version=3, name="third")
    for at in range(4, 256, 6):  # what does not begin as an image does would be a manifest
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << at % 8
        with pytest.raises(DeviceError):
            put(keyed, data=bytes(spoilt), size=300)
    keyed.rollback()
    assert works(keyed)
