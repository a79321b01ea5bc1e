"""Find what was said or shown to a stack in the files it leaves, however it is written there."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

# A shorter piece of base64 would be found by chance.
SHORTEST_FORM_BYTES = 8


def forms(phrase: str) -> frozenset[bytes]:
    """Return the ways a text may stand in a file, in lower case: plain, escaped, UTF-16 and encoded."""
    texts = {phrase, quote(phrase), quote(phrase, safe=""), quote_plus(phrase), json.dumps(phrase)[1:-1]}
    plain = {text.encode() for text in texts} | {phrase.encode("latin-1", "ignore")}
    wide = {phrase.encode("utf-16-le"), phrase.encode("utf-16-be")}
    encoded = {form for data in (phrase.encode(), phrase.encode("utf-16-le")) for form in byte_forms(data)}
    return frozenset(form.lower() for form in plain | wide | encoded)


def byte_forms(data: bytes) -> frozenset[bytes]:
    """Return the ways bytes may stand in a file: as they are, in hexadecimal, and in base64 at any offset."""
    found = {data, binascii.hexlify(data)}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Characters at both ends also depend on what stands beside the data.
            whole = encode(bytes(offset) + data)
            tail = (offset + len(data)) % 3
            found.add(whole[(0, 2, 3)[offset] : len(whole) - (0, 3, 2)[tail]])
    return frozenset(form for form in found if len(form) >= SHORTEST_FORM_BYTES)


def regular_files(home: Path) -> Iterator[Path]:
    """Yield every regular file below a directory."""
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def texts_found(home: Path, phrases: Iterable[str]) -> dict[str, set[str]]:
    """Return in which files, relative to the directory, each phrase stands in any form and case."""
    return _found(home, {phrase: forms(phrase) for phrase in phrases}, lower=True)


def bytes_found(home: Path, pieces: dict[str, bytes]) -> dict[str, set[str]]:
    """Return in which files, relative to the directory, each piece stands in any form."""
    return _found(home, {name: byte_forms(piece) for name, piece in pieces.items()}, lower=False)


def _found(home: Path, wanted: dict[str, frozenset[bytes]], *, lower: bool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in regular_files(home):
        data = bytes(path.relative_to(home)) + b"\n" + path.read_bytes()
        searched = data.lower() if lower else data
        for name, ways in wanted.items():
            if any(way in searched for way in ways):
                found.setdefault(name, set()).add(str(path.relative_to(home)))
    return found
