"""Keys on a real agent: what is not signed is refused, rotation, revocation, and what serves goes on serving."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import make_bundle
from signers import Signer

from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.agent.trust_document import APPROVER, BUILDER
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import ArtifactError, DeviceError
from edgeq.link.memory import MemoryLink
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.signing import trusting
from edgeq.signing.keys import PublicKey
from edgeq.signing.provision import provision
from edgeq.signing.signable import attach, read_signable

ALICE, BOB, CAROL, EVE = (Signer(name) for name in ("alice", "bob", "carol", "eve"))


def public(signer: Signer, role: str = BUILDER) -> PublicKey:
    return PublicKey(signer.public, signer.name, role)


def sign(path: Path, *signers: Signer) -> Path:
    for signer in signers:
        subject = read_signable(path)
        attach(subject, public(signer), signer.sign(subject.message))
    return path


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    trusting.create(path, [public(ALICE), public(BOB, APPROVER)], {})
    return sign(path, ALICE, BOB)


def again(service: Service) -> Device:
    """Another conversation, the one before ended: what a device says of itself is asked once in each."""
    global _last
    if _last:
        _last.close()
    _last = Connection(service)
    return Device(MemoryLink(_last.feed), "local:")


_last: Connection | None = None


def silent(_text: str) -> None:
    pass


def bundle_of(tmp_path: Path, name: str, *signers: Signer) -> Path:
    return sign(make_bundle(tmp_path / name, name=name).folder, *signers)


def install(device: Device, folder: Path) -> None:
    from edgeq.bundle import read_bundle

    deploy(read_bundle(folder), device)


def test_once_provisioned_only_signed_bundles_are_taken(service: Service, trust: Path, tmp_path: Path) -> None:
    install(again(service), bundle_of(tmp_path, "before"))
    assert provision(again(service), trust, silent) == (0, 1)
    device = again(service)
    assert (device.describe()["signed"], device.describe()["trust_version"]) == (True, 1)
    assert provision(device, trust, silent) == (1, 1), "the same again converges"
    for name, signers in [("none", ()), ("one", (ALICE,)), ("strange", (ALICE, EVE)), ("wrong", (EVE,))]:
        with pytest.raises(DeviceError) as caught:
            install(again(service), bundle_of(tmp_path, name, *signers))
        assert caught.value.status == Status.SIGNATURE, name
    serving = [release.name for release in again(service).releases() if release.serving]
    assert serving == ["before"], "what served goes on serving"
    install(again(service), bundle_of(tmp_path, "good", ALICE, BOB))
    assert [release.name for release in again(service).releases() if release.serving] == ["good"]


def test_an_agent_that_starts_anew_still_asks_for_signatures(trust: Path, tmp_path: Path) -> None:
    for _ in range(2):
        service = Service(tmp_path / "store")
        if not again(service).describe()["signed"]:
            provision(again(service), trust, silent)
        with pytest.raises(DeviceError):
            install(again(service), make_bundle(tmp_path / "plain").folder)
        service.close()


def test_a_release_of_a_revoked_key_keeps_serving_and_is_named(service: Service, trust: Path, tmp_path: Path) -> None:
    provision(again(service), trust, silent)
    old = bundle_of(tmp_path, "old", ALICE, BOB)
    install(again(service), old)
    trusting.edit(trust, trusting.add(public(CAROL), BUILDER))
    trusting.edit(trust, trusting.revoke(ALICE.id))
    with pytest.raises(ArtifactError, match="0 of 1 signatures that the role builder of version 1 must give"):
        provision(again(service), trust, silent)
    sign(trust, ALICE, BOB, CAROL)
    assert provision(again(service), trust, silent) == (1, 2)
    assert [release.name for release in again(service).releases() if release.serving] == ["old"]
    job = again(service)._job(contract.VERIFY, {}, silent)
    assert [(item["sound"], "(alice) is revoked" in item["why"]) for item in job["releases"]] == [(True, True)]
    with pytest.raises(DeviceError) as caught:
        install(again(service), bundle_of(tmp_path, "new", ALICE, BOB))
    assert caught.value.status == Status.SIGNATURE
    install(again(service), bundle_of(tmp_path, "newer", CAROL, BOB))


def test_keys_are_not_replaced_by_whoever_reaches_the_device(service: Service, trust: Path, tmp_path: Path) -> None:
    provision(again(service), trust, silent)
    mine = tmp_path / "mine.json"
    trusting.create(mine, [public(EVE)], {})
    for _ in range(2):  # version 1, and then a higher one
        sign(mine, EVE)
        with pytest.raises(DeviceError) as caught:
            provision(again(service), mine, silent)
        assert caught.value.status in (Status.SIGNATURE, Status.STATE)
        trusting.edit(mine, trusting.add(public(CAROL), BUILDER))
    assert again(service).describe()["trust_version"] == 1


def test_a_damaged_trust_file_refuses_what_is_new_and_serves_what_is_there(
    service: Service, trust: Path, tmp_path: Path
) -> None:
    provision(again(service), trust, silent)
    install(again(service), bundle_of(tmp_path, "good", ALICE, BOB))
    (tmp_path / "store" / "trust.json").write_bytes(b"")
    device = again(service)
    assert device.describe()["signed"] is True
    for signers in ((), (ALICE, BOB)):
        with pytest.raises(DeviceError) as caught:
            install(again(service), bundle_of(tmp_path, f"later{len(signers)}", *signers))
        assert caught.value.status == Status.SIGNATURE
    with pytest.raises(DeviceError, match="damaged"):
        provision(again(service), trust, silent)
    assert [release.name for release in device.releases() if release.serving] == ["good"]
