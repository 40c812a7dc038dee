"""Private keys under a passphrase, as PKCS #8 with PBES2: scrypt (RFC 7914) and AES-256-CBC; OpenSSL reads them.

`cryptography` writes the same form with 2048 rounds of PBKDF2, which a stolen file does not withstand for long.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

_N, _R, _P = 1 << 14, 8, 5
"""16 MB and about a quarter of a second; more memory than OpenSSL takes by default would make files that it refuses."""
_MOST_MEMORY = 64 << 20
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT = 0x30, 0x02, 0x04, 0x06
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")


def encrypted_pem(key: bytes, passphrase: bytes) -> bytes:
    """`key` is a PKCS #8 PrivateKeyInfo in DER."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, start = secrets.token_bytes(16), secrets.token_bytes(16)
    secret = hashlib.scrypt(passphrase, salt=salt, n=_N, r=_R, p=_P, dklen=32, maxmem=_MOST_MEMORY)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(secret), modes.CBC(start)).encryptor()
    data = cipher.update(padder.update(key) + padder.finalize()) + cipher.finalize()
    cost = _der(_OCTETS, salt) + b"".join(_number(value) for value in (_N, _R, _P))
    scrypt = _der(_SEQUENCE, _der(_OBJECT, _SCRYPT) + _der(_SEQUENCE, cost))
    aes = _der(_SEQUENCE, _der(_OBJECT, _AES_256_CBC) + _der(_OCTETS, start))
    scheme = _der(_SEQUENCE, _der(_OBJECT, _PBES2) + _der(_SEQUENCE, scrypt + aes))
    text = base64.encodebytes(_der(_SEQUENCE, scheme + _der(_OCTETS, data))).replace(b"\n", b"")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""])


def _der(tag: int, body: bytes) -> bytes:
    """One element, its length in as few bytes as it takes: that is the rule."""
    size = len(body)
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(digits)]) + digits) + body


def _number(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
