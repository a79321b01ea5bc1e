"""Where a stack keeps its license and the pinned keys, and the development license of a first start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.catalog import Stack
from runtime.errors import ConfigError
from runtime.license.claims import AUTHORITY_PREFIX, DAY_S
from runtime.license.issue import LicenseOrder, issue_license, record_issue
from runtime.license.keys import (
    PINNED_KEYS_MAX,
    PUBLIC_KEYS_NAME,
    SIGNING_KEY_NAME,
    PinnedKey,
    find_key,
    load_public_keys,
    load_signing_key,
    new_signing_key,
    pin,
    private_key_pem,
    public_keys_document,
    read_limited,
)
from runtime.license.verify import HINTS, Verdict, Verification, inspect_token, verify_token
from runtime.private_files import atomic_write_private, create_private
from runtime.settings import LicenseProxySettings, checkout_root

LICENSE_NAME = "license.jwt"
DEVELOPMENT_AUTHORITY = "development"
DEVELOPMENT_DAYS = 365
RENEW_BEFORE_S = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class LicenseFiles:
    """The two files a license proxy reads at every check."""

    license: Path
    public_keys: Path


@dataclass(frozen=True, slots=True)
class DevelopmentLicense:
    """What a start of a stack without its own license found or made.

    Attributes:
        is_new: the license was written just now.
    """

    files: LicenseFiles
    is_new: bool


def find_license_files(settings: LicenseProxySettings, checkout: Path | None = None) -> LicenseFiles:
    """Return which files a stack uses; they need not exist.

    The license is the set one, else ``license.jwt`` of the checkout if it is there, else the one in
    AAI_HOME. The keys are the set ones, else those beside the license if they are there, else those in AAI_HOME.

    Args:
        settings: of the license proxy.
        checkout: the source checkout; found by itself when None.
    """
    root = checkout or checkout_root()
    license_file = settings.license_file
    if license_file is None:
        own = root / LICENSE_NAME if root else None
        license_file = own if own and own.is_file() else settings.home / LICENSE_NAME
    public_keys = settings.public_keys_file
    if public_keys is None:
        beside = license_file.with_name(PUBLIC_KEYS_NAME)
        public_keys = beside if beside.is_file() else settings.home / PUBLIC_KEYS_NAME
    return LicenseFiles(license_file, public_keys)


def hint_for(found: Verification, files: LicenseFiles) -> str:
    """Return what an operator can do about a license that is not valid.

    Args:
        found: the outcome of its verification.
        files: which files were used.
    """
    # A file of another name was set on purpose.
    has_own_keys = files.license.with_name(PUBLIC_KEYS_NAME).is_file() or files.public_keys.name != PUBLIC_KEYS_NAME
    if found.verdict is Verdict.UNTRUSTED and not has_own_keys:
        return f"put the issuer's public keys beside it as {PUBLIC_KEYS_NAME} (or set LICENSE_PUBLIC_KEYS_PATH)"
    return HINTS.get(found.verdict, "")


def ensure_development_license(home: Path, now_s: int) -> DevelopmentLicense:
    """Have a signing key, its public key and a license for development in AAI_HOME.

    What is there and still good stays. A license in AAI_HOME that another authority issued is never
    touched, nor is a file that is no license at all: it is somebody's, and the proxy says what is wrong with it.

    Args:
        home: AAI_HOME.
        now_s: seconds since the Unix epoch.

    Raises:
        ConfigError: a key file is there but not usable.
        EnvironmentFault: AAI_HOME cannot be written.
    """
    files = LicenseFiles(home / LICENSE_NAME, home / PUBLIC_KEYS_NAME)
    if files.license.exists() and not _is_development_license(files.license):
        return DevelopmentLicense(files, is_new=False)
    key_file = home / "keys" / SIGNING_KEY_NAME
    if not key_file.exists():
        create_private(key_file, private_key_pem(new_signing_key(), passphrase=None))
    signing_key = load_signing_key(key_file)
    own = pin(signing_key.public_key())
    pinned = pin_public_key(files.public_keys, own)
    if _is_good(files.license, pinned, now_s):
        return DevelopmentLicense(files, is_new=False)
    order = LicenseOrder(
        customer_id="development",
        customer_name="Development",
        days=DEVELOPMENT_DAYS,
        max_concurrent_sessions=200,
        stacks=tuple(Stack),
        authority=DEVELOPMENT_AUTHORITY,
    )
    issued = issue_license(order, signing_key, now_s)
    record_issue(key_file.parent, issued)
    atomic_write_private(files.license, issued.token.encode() + b"\n")
    return DevelopmentLicense(files, is_new=True)


def pin_public_key(path: Path, key: PinnedKey) -> tuple[PinnedKey, ...]:
    """Add a key to a JSON Web Key Set unless it is in it, and return all its keys; the file is made when missing.

    Raises:
        ConfigError: the file is not usable or full.
        EnvironmentFault: its directory cannot be written.
    """
    pinned = load_public_keys(path) if path.exists() else ()
    if find_key(pinned, key.kid) is None:
        if len(pinned) >= PINNED_KEYS_MAX:
            raise ConfigError(
                f"{path} has no room for another key: {PINNED_KEYS_MAX} are the most; remove one that is no longer used"
            )
        pinned = (*pinned, key)
        atomic_write_private(path, public_keys_document(pinned))
    return pinned


def _is_development_license(path: Path) -> bool:
    try:
        found = inspect_token(read_limited(path))
    except OSError:
        return False
    return found is not None and found.claims.get("iss") == AUTHORITY_PREFIX + DEVELOPMENT_AUTHORITY


def _is_good(path: Path, pinned: tuple[PinnedKey, ...], now_s: int) -> bool:
    try:
        token = read_limited(path)
    except OSError:
        return False
    found = verify_token(token, pinned, now_s, leeway_s=60)
    return found.verdict is Verdict.VALID and found.claims is not None and found.claims.exp - now_s > RENEW_BEFORE_S
