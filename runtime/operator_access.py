"""How this host's own operator gets past the gateway's door, whatever clients have to show there."""

from __future__ import annotations

import math
from pathlib import Path

from runtime.tokens import OPERATOR, Grant, sign

TOKEN_LIFE_S = 60
SECRET_LIMIT_BYTES = 4_096
# What the vendor's clients send to a gateway that does not check keys.
UNCHECKED = "self-hosted"


def operator_credential(token_key_file: Path, now_s: float) -> str:
    """Return an ``Authorization`` value for a session of a console on this host.

    Only who may read the stack's private files can make one; others get what an unchecked gateway takes.

    Args:
        token_key_file: of the stack.
        now_s: Unix time.
    """
    try:
        with token_key_file.open("rb") as file:
            secret = file.read(SECRET_LIMIT_BYTES).strip()
    except OSError:
        return UNCHECKED
    return sign(Grant(math.ceil(now_s) + TOKEN_LIFE_S, key=OPERATOR), secret)
