"""Keys and signatures: making keys, signing bundles, and what devices trust."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import DeviceArgument, app, command, console, open_address

if TYPE_CHECKING:
    from edgeq.agent.trust_document import TrustDocument
    from edgeq.signing.keys import Ask, PublicKey
    from edgeq.signing.signable import Signable

keys_app = typer.Typer(help="Keys that sign, and what devices trust.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
trust_app = typer.Typer(help="The trust document: which keys may sign for a device.", no_args_is_help=True)
keys_app.add_typer(trust_app, name="trust")

KEY = "A name from 'edgeq keys new', or a file."
Subject = Annotated[Path, typer.Argument(metavar="BUNDLE|TRUST", help="A bundle, or a trust document.")]
TrustFile = Annotated[Path, typer.Argument(metavar="TRUST", help="The trust document, for example trust.json.")]
Image = Annotated[bool, typer.Option("--image", help="Of a microcontroller's image, which its firmware checks.")]
RoleOption = Annotated[str | None, typer.Option(help="builder or approver.", show_default="as the key says")]


def _ask() -> Ask | None:
    """Asks for a passphrase where somebody is there to give it."""
    if not sys.stdin.isatty():
        return None
    import getpass

    return getpass.getpass


@command(keys_app, "new")
def keys_new(
    name: Annotated[str, typer.Argument(help="What the key is called.")],
    role: Annotated[str, typer.Option(help="builder or approver.")] = "builder",
    comment: Annotated[str, typer.Option(help="Whose it is; the name unless given.", show_default=False)] = "",
    folder: Annotated[Path | None, typer.Option(help="Where its files go; edgeq's folder of keys otherwise.")] = None,
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Whoever gets the file can sign: for a vault that guards it.")
    ] = False,
) -> None:
    """Make a key that signs: NAME.pem, which stays here, and NAME.pub, which devices may know.

    The passphrase is asked for, or read from the file that EDGEQ_KEY_PASSPHRASE_FILE names.

    Example: edgeq keys new alice --role builder
    """
    from edgeq.signing.keys import new_key, passphrase

    secret = None if no_passphrase else passphrase(_ask(), new=True)
    public, path = new_key(name, role=role, comment=comment, folder=folder, passphrase=secret)
    document = {**public.to_json(), "private_file": str(path), "public_file": str(path.with_suffix(".pub"))}
    text = f"Key {public.id[:12]} ({public.comment}, {public.role}) was made.\n  private  {path}"
    console.result(document, f"{text}, never to be copied into a project\n  public   {path.with_suffix('.pub')}")


@command(keys_app, "show")
def keys_show(
    key: Annotated[str | None, typer.Argument(help=KEY, show_default=False)] = None,
    pem: Annotated[bool, typer.Option("--pem", help="The public key as other tools read it.")] = False,
) -> None:
    """Show a public key, or list all of them. Private keys are never shown.

    Example: edgeq keys show alice --pem
    """
    from edgeq.signing.keys import key_folder, listed_keys, load_public, public_pem

    if key is None:
        found = listed_keys()
        rows = [(each.comment, each.role, each.id) for each in found]
        empty = f"There are no keys in {key_folder()}: 'edgeq keys new NAME' makes one."
        console.table([each.to_json() for each in found], ("key", "role", "id"), rows, empty)
        return
    one = load_public(key)
    lines = (f"key      {one.comment or '(no name)'}, {one.role}", f"id       {one.id}", f"public   {one.public.hex()}")
    console.result({**one.to_json(), "pem": public_pem(one)}, public_pem(one).rstrip("\n") if pem else "\n".join(lines))


@command(app)
def sign(
    subject: Subject,
    key: Annotated[list[str], typer.Option("--key", "-k", help=f"{KEY} May be given several times.")],
) -> None:
    """Sign a bundle, or a trust document. Several people may sign, one after the other.

    A bundle for a microcontroller has its image signed too, which is what the firmware checks.

    Example: edgeq sign build/digits-rpi4 --key alice
    """
    from edgeq.signing.keys import load_private
    from edgeq.signing.signable import attach, read_image_signable, read_signable

    signers = [load_private(each, _ask()) for each in key]
    for read in (read_signable, read_image_signable):
        for signer in signers:
            found = read(subject)
            if found is not None:
                attach(found, signer.public, signer.sign(found.message))
    signed, image = read_signable(subject), read_image_signable(subject)
    _tell_signed(signed, *([image] if image else []))


def _tell_signed(*signed: Signable) -> None:
    """The document is about the first of them."""
    from edgeq.agent import dsse

    files = [{"file": str(each.signature_path), "signatures": [key for key, _ in each.signatures]} for each in signed]
    document: dict[str, Any] = {**files[0], "type": signed[0].payload_type, "files": files}
    lines = [
        f"{each.signature_path} holds {len(each.signatures)} signature{'s' if len(each.signatures) > 1 else ''}."
        for each in signed
    ]
    if signed[0].payload_type == dsse.TRUST_TYPE:
        from edgeq.signing.trusting import needs

        lines += _needed(signed[0].path)
        document["complete"] = all(need.met for need in needs(signed[0].path))
    console.result(document, "\n".join(lines))


@command(app)
def digest(
    subject: Subject,
    image: Image = False,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Where the bytes go.", show_default=False)] = None,
) -> None:
    """Write the exact bytes that a signature covers, to be signed elsewhere (HSM, KMS), and tell their SHA-256.

    Ed25519 signs the bytes themselves, all of them: give the file to the signer, not its SHA-256.

    Example: edgeq digest build/digits-rpi4 -o digits.pae
    """
    import hashlib

    from edgeq.errors import UsageError

    found = _subject(subject, image)
    path = out or Path(f"{subject.resolve().name}{'.image' if image else ''}.pae")
    try:
        path.write_bytes(found.message)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.", "Give another file (-o).") from error
    sha256 = hashlib.sha256(found.message).hexdigest()
    facts = {"file": str(path), "bytes": len(found.message), "sha256": sha256, "type": found.payload_type}
    flag = " --image" if image else ""
    console.result(
        {**facts, "payload_sha256": hashlib.sha256(found.payload).hexdigest()},
        f"{path} holds the {len(found.message)} bytes to sign.\n  sha256  {sha256}\n"
        f"  sign    openssl pkeyutl -sign -rawin -inkey KEY.pem -in {path} -out {path.stem}.sig\n"
        f"  attach  edgeq attach-signature {subject}{flag} --signature {path.stem}.sig --public KEY.pub",
    )


def _subject(path: Path, image: bool) -> Signable:
    from edgeq.errors import UsageError
    from edgeq.signing.signable import read_image_signable, read_signable

    found = read_image_signable(path) if image else read_signable(path)
    if found is None:
        raise UsageError(f"'{path}' is no bundle for a microcontroller.", "Leave --image away: its manifest is signed.")
    return found


@command(app, "attach-signature")
def attach_signature(
    subject: Subject,
    signature: Annotated[Path, typer.Option(help="The signature: 64 bytes, raw, hex or base64.")],
    public: Annotated[
        str | None, typer.Option(help=f"The key that made it. {KEY} PEM too, or 64 hex digits.", show_default=False)
    ] = None,
    key_id: Annotated[
        str | None, typer.Option(help="Or its id, where edgeq's folder of keys or --trust has it.", show_default=False)
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="A trust document that holds the key.", show_default=False)] = None,
    image: Image = False,
) -> None:
    """Add a signature that was made elsewhere. It is verified first.

    Example: edgeq attach-signature build/digits-rpi4 --signature digits.sig --public alice
    """
    from edgeq.errors import UsageError
    from edgeq.signing.keys import load_public
    from edgeq.signing.signable import attach, read_signature

    if (public is None) == (key_id is None):
        raise UsageError("Which key made the signature?", "Give --public KEY, or --key-id ID.")
    key = load_public(public) if public is not None else _by_id(str(key_id), trust)
    _tell_signed(attach(_subject(subject, image), key, read_signature(signature)))


def _by_id(text: str, trust: Path | None) -> PublicKey:
    from edgeq.errors import UsageError
    from edgeq.signing.keys import PublicKey, listed_keys
    from edgeq.signing.signable import read_trust_file
    from edgeq.signing.trusting import find_key

    found = {key.id: key for key in listed_keys() if len(text) >= 8 and key.id.startswith(text)}
    if trust is not None:
        document = read_trust_file(trust)[0]
        known = find_key(document, text)
        if known in document.keys:
            found[str(known)] = PublicKey(document.keys[str(known)].public, document.keys[str(known)].comment)
    if len(found) != 1:
        raise UsageError(f"{len(found)} keys are known by the id '{text}'.", "Give the key itself with --public.")
    return next(iter(found.values()))


@command(keys_app, "check")
def keys_check(
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    trust: Annotated[Path, typer.Option(help="The trust document that devices have.")],
) -> None:
    """Say whether devices with this trust document would take a bundle; exit code 6 where not.

    Example: edgeq keys check build/digits-rpi4 --trust trust.json
    """
    from edgeq.errors import ArtifactError
    from edgeq.signing.signable import read_image_signable, read_signable, read_trust_file

    document = read_trust_file(trust)[0]
    found = read_image_signable(bundle) or read_signable(bundle)
    try:
        signers = document.signers(found.payload_type, found.payload, found.detached)
    except ValueError as error:
        raise ArtifactError(
            f"Devices with '{trust}' refuse '{bundle}': {error}.", f"edgeq sign {bundle} --key KEY"
        ) from error
    names = ", ".join(document.name(key) for key in signers)
    facts = {"bundle": str(bundle), "trust": str(trust), "version": document.version, "signed_by": signers}
    console.result(facts, f"Devices with '{trust}' (version {document.version}) take '{bundle}', signed by {names}.")


@command(keys_app)
def provision(device: DeviceArgument, trust: TrustFile) -> None:
    """Give a device the keys that it shall trust. From then on it takes only what they signed.

    The first trust document is taken from whoever may reach the device; later ones must be signed by the one before.

    Example: edgeq keys provision ssh://pi@raspberrypi trust.json
    """
    from edgeq.project import load_project
    from edgeq.signing.provision import provision as provision_device

    entry = load_project().resolve(device)
    with open_address(entry.address) as opened:
        before, now = provision_device(opened, trust, console.progress)
    document = {"device": entry.name, "trust_version_before": before, "trust_version": now}
    how = "has" if before == now else "now has" if before else "was provisioned with"
    console.result(document, f"{entry.name} {how} trust version {now}; it takes only releases that are signed so.")


@command(trust_app, "new")
def trust_new(
    trust: TrustFile,
    builder: Annotated[list[str], typer.Option(help=f"A builder's public key. {KEY} May be given several times.")],
    approver: Annotated[list[str] | None, typer.Option(help="Likewise of approvers.", show_default=False)] = None,
    builders: Annotated[int, typer.Option(help="So many builders must sign.", min=1, max=64)] = 1,
    approvers: Annotated[int, typer.Option(help="So many approvers must sign.", min=1, max=64)] = 1,
) -> None:
    """Make a trust document. It must be signed by the keys that it names before a device takes it.

    Example: edgeq keys trust new trust.json --builder alice --approver bob
    """
    from dataclasses import replace

    from edgeq.agent.trust_document import APPROVER, BUILDER
    from edgeq.signing.keys import load_public
    from edgeq.signing.trusting import create

    keys = [replace(load_public(key), role=BUILDER) for key in builder]
    keys += [replace(load_public(key), role=APPROVER) for key in approver or ()]
    _tell_trust(trust, create(trust, keys, {BUILDER: builders, APPROVER: approvers}))


@command(trust_app, "add")
def trust_add(
    trust: TrustFile,
    key: Annotated[str, typer.Argument(help=f"The public key. {KEY}")],
    role: RoleOption = None,
) -> None:
    """Give a key a role. A document that somebody has signed gets its next version.

    Example: edgeq keys trust add trust.json carol --role approver
    """
    from edgeq.signing.keys import load_public
    from edgeq.signing.trusting import add, edit

    found = load_public(key)
    _tell_trust(trust, edit(trust, add(found, role or found.role)))


@command(trust_app, "revoke")
def trust_revoke(
    trust: TrustFile,
    key: Annotated[str, typer.Argument(help="Its id, the beginning of it, or its name in the document.")],
) -> None:
    """Take a key's role from it, for good. Releases that are confirmed already keep serving.

    Example: edgeq keys trust revoke trust.json alice
    """
    from edgeq.errors import UsageError
    from edgeq.signing.signable import read_trust_file
    from edgeq.signing.trusting import edit, find_key, revoke

    known = find_key(read_trust_file(trust)[0], key)
    if known is None:
        raise UsageError(f"'{trust}' has no key '{key}', or several.", f"'edgeq keys trust show {trust}' lists them.")
    _tell_trust(trust, edit(trust, revoke(known)))


@command(trust_app, "threshold")
def trust_threshold(
    trust: TrustFile,
    role: Annotated[str, typer.Argument(help="builder or approver.")],
    count: Annotated[int, typer.Argument(help="So many of its keys must sign.", min=1, max=64)],
) -> None:
    """Say how many keys of a role must sign.

    Example: edgeq keys trust threshold trust.json builder 2
    """
    from edgeq.signing.trusting import edit, threshold

    _tell_trust(trust, edit(trust, threshold(role, count)))


@command(trust_app, "show")
def trust_show(trust: TrustFile) -> None:
    """Show a trust document, and who must sign it yet.

    Example: edgeq keys trust show trust.json
    """
    from edgeq.signing.signable import read_trust_file

    _tell_trust(trust, read_trust_file(trust)[0])


def _tell_trust(path: Path, document: TrustDocument) -> None:
    import json
    from dataclasses import asdict

    from edgeq.signing.trusting import in_order, needs

    asked = needs(path)
    lines = [f"{path} is version {document.version}."]
    for name, role in in_order(document):
        keys = ", ".join(document.name(key) for key in role.keys)
        lines.append(f"  {name:<9} {role.threshold} of {len(role.keys)} must sign: {keys}")
    if document.revoked:
        lines.append(f"  revoked   {', '.join(document.name(key) for key in document.revoked)}")
    facts = {"file": str(path), "complete": all(need.met for need in asked), "needs": [asdict(need) for need in asked]}
    console.result({**facts, "document": json.loads(document.encode())}, "\n".join([*lines, *_needed(path)]))


def _needed(path: Path) -> list[str]:
    from edgeq.signing.trusting import needs

    missing = [need for need in needs(path) if not need.met]
    if not missing:
        return ["  It is signed as devices ask."]
    return [
        f"  unsigned  {need.have} of {need.threshold} signatures of the role {need.role} of version {need.version}: "
        f"edgeq sign {path} --key KEY"
        for need in missing
    ]
