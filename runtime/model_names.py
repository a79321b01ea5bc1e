"""The model names a client may ask for, and the operator's aliases of them; pure."""

from __future__ import annotations

import re

ENGLISH_NAME = "universal-streaming-english"
MULTILANG_NAME = "universal-streaming-multilingual"
DEFAULT_PRO_NAME = "u3-rt-pro"
PRO_NAMES = (
    DEFAULT_PRO_NAME,
    "universal-3-5-pro",
    "universal-3-6-pro",
    "u3-rt-pro-beta-1",
    "universal-3-6",
    "u3-pro",
)
KNOWN_NAMES = (ENGLISH_NAME, MULTILANG_NAME, *PRO_NAMES)

# An alias is echoed to the client and stands in logs, so it is a short plain word.
ALIAS_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_aliases(text: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs (alias, known name) of ``alias=name,alias=name``; blanks around them do not matter.

    An alias may be a known name, which then means another one. It may not lead to a further alias.

    Raises:
        ValueError: naming the entry at fault.
    """
    table: dict[str, str] = {}
    for entry in (part.strip() for part in text.split(",")):
        if not entry:
            continue
        alias, equals, target = (part.strip() for part in entry.partition("="))
        if not equals or "=" in target:
            raise ValueError(f"'{entry}' is not alias=name")
        if not ALIAS_PATTERN.fullmatch(alias):
            raise ValueError(f"'{alias}' cannot be an alias: up to 64 letters, digits, dots, dashes and underscores")
        if alias in table:
            raise ValueError(f"'{alias}' stands there twice")
        table[alias] = target
    for alias, target in table.items():
        if target in table:
            raise ValueError(f"'{alias}' means '{target}', which is an alias itself; name a model there")
        if target not in KNOWN_NAMES:
            raise ValueError(f"'{alias}' means '{target}', which is none of {', '.join(KNOWN_NAMES)}")
    return tuple(table.items())
