"""Keys of licenses: the private one that signs, and the pinned public ones that decide what is accepted."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from runtime.errors import ConfigError

SIGNING_KEY_NAME = "license-signing.pem"
PUBLIC_KEYS_NAME = "license-public-keys.json"
FILE_LIMIT_BYTES = 16 * 1024
PINNED_KEYS_MAX = 4
RSA_MIN_BITS = 3072
# RFC 7518, 6.2.2, 6.3.2 and 6.4: members that hold private or symmetric key material.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class Algorithm(StrEnum):
    """Signature algorithms a pinned key may stand for."""

    EDDSA = "EdDSA"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key licenses may be signed by; it alone decides the algorithm."""

    kid: str
    algorithm: Algorithm
    public_key: Ed25519PublicKey | RSAPublicKey


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def new_signing_key() -> Ed25519PrivateKey:
    """Make a key to sign licenses with."""
    return Ed25519PrivateKey.generate()


def pin(public_key: Ed25519PublicKey | RSAPublicKey) -> PinnedKey:
    """Return a public key with its identifier and its algorithm.

    Raises:
        ConfigError: an RSA key is too short.
    """
    if isinstance(public_key, Ed25519PublicKey):
        return PinnedKey(key_id(public_key), Algorithm.EDDSA, public_key)
    if public_key.key_size < RSA_MIN_BITS:
        raise ConfigError(f"an RSA key has {public_key.key_size} bits; {RSA_MIN_BITS} is the least accepted")
    return PinnedKey(key_id(public_key), Algorithm.RS256, public_key)


def key_id(public_key: Ed25519PublicKey | RSAPublicKey) -> str:
    """Return the ``kid`` of a key: the first 16 hex digits of SHA-256 over its SubjectPublicKeyInfo (DER)."""
    document = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return hashlib.sha256(document).hexdigest()[:16]


def private_key_pem(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    """Return a signing key as PKCS#8 PEM, encrypted when there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def load_signing_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read a signing key.

    Raises:
        ConfigError: the file is unreadable, no Ed25519 key, or the passphrase is wrong, missing or not needed.
    """
    try:
        key = serialization.load_pem_private_key(read_limited(path), passphrase)
    except OSError as error:
        raise ConfigError(f"cannot read the signing key {path}: {error.strerror or error}") from error
    except TypeError as error:
        cause = "is encrypted and no passphrase was given" if passphrase is None else "is not encrypted"
        raise ConfigError(f"the signing key {path} {cause}; correct --passphrase-file") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        cause = "is not a PEM private key" if passphrase is None else "is not a PEM private key of this passphrase"
        raise ConfigError(f"the file {path} {cause}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"the signing key {path} is not an Ed25519 key")
    return key


def public_keys_document(keys: Iterable[PinnedKey]) -> bytes:
    """Write public keys as a JSON Web Key Set."""
    entries = [
        {**_public_members(key.public_key), "kid": key.kid, "alg": key.algorithm, "use": "sig"} for key in keys
    ]  # fmt: skip
    return msgspec.json.format(msgspec.json.encode({"keys": entries}), indent=2) + b"\n"


def load_public_keys(path: Path) -> tuple[PinnedKey, ...]:
    """Read the JSON Web Key Set with the pinned keys.

    Raises:
        ConfigError: the file is unreadable, or ``parse_public_keys`` refuses it.
    """
    try:
        return parse_public_keys(read_limited(path))
    except OSError as error:
        raise ConfigError(f"cannot read the public keys {path}: {error.strerror or error}") from error
    except ConfigError as error:
        raise ConfigError(f"the public keys {path} are not usable: {error}") from error


def parse_public_keys(document: bytes) -> tuple[PinnedKey, ...]:
    """Read a JSON Web Key Set of one to four public keys.

    Raises:
        ConfigError: it is malformed, holds private material, a key we do not accept, or too many keys.
    """
    try:
        entries = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"not a JSON Web Key Set: {error}") from error
    for entry in entries:
        if found := sorted(PRIVATE_MEMBERS & entry.keys()):
            raise ConfigError(f"a key has the private member {found[0]!r}; only public keys belong here")
    if not 1 <= len(entries) <= PINNED_KEYS_MAX:
        raise ConfigError(f"it has {len(entries)} keys; 1 to {PINNED_KEYS_MAX} are accepted")
    keys = tuple(_parse_key(entry) for entry in entries)
    if len({key.kid for key in keys}) != len(keys):
        raise ConfigError("it has one key twice")
    return keys


def find_key(keys: Sequence[PinnedKey], kid: str) -> PinnedKey | None:
    """Return the pinned key with this identifier, if any."""
    return next((key for key in keys if key.kid == kid), None)


def read_limited(path: Path, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
    """Read a regular file of bounded size, without ever waiting for a writer.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than the limit.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError("not a regular file")
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(f"larger than {limit_bytes} bytes")
    return content


def _public_members(public_key: Ed25519PublicKey | RSAPublicKey) -> dict[str, Any]:
    if isinstance(public_key, Ed25519PublicKey):
        members: dict[str, Any] = OKPAlgorithm.to_jwk(public_key, as_dict=True)
        return members
    numbers: dict[str, Any] = RSAAlgorithm.to_jwk(public_key, as_dict=True)
    return {name: numbers[name] for name in ("kty", "n", "e")}


def _parse_key(entry: dict[str, Any]) -> PinnedKey:
    public_key: object
    try:
        match entry.get("kty"), entry.get("alg"):
            case "OKP", None | Algorithm.EDDSA:
                public_key = OKPAlgorithm.from_jwk(entry)
            case "RSA", Algorithm.RS256:
                public_key = RSAAlgorithm.from_jwk(entry)
            case kind, algorithm:
                raise ConfigError(f"a key has kty {kind!r} and alg {algorithm!r}; accepted: OKP/EdDSA and RSA/RS256")
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"a key cannot be read: {error}") from error
    if not isinstance(public_key, Ed25519PublicKey | RSAPublicKey):
        raise ConfigError(f"a key is of an unaccepted kind; of OKP only Ed25519 is, got crv {entry.get('crv')!r}")
    key = pin(public_key)
    if entry.get("kid", key.kid) != key.kid:
        raise ConfigError(f"a key is labelled {entry['kid']!r}, but its identifier is {key.kid}")
    return key
