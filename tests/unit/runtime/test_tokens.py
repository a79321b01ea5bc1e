"""Signed tokens: what opens, and what does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.tokens import MAX_CHARACTERS, Grant, open_token, sign

SECRET = b"a secret"
TOKEN = sign(Grant(1_000, 60, "0123456789abcdef"), SECRET)


def test_token_opens_with_its_secret_only() -> None:
    """What was signed comes back; another secret opens nothing."""
    assert TOKEN.startswith("aai-local.eyJ")
    assert open_token(TOKEN, SECRET) == Grant(1_000, 60, "0123456789abcdef")
    assert open_token(TOKEN, b"another") is None


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="latin-1"))
def test_changed_token_does_not_open(at: int, letter: str) -> None:
    """Every single letter counts."""
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    assert (open_token(changed, SECRET) is not None) == (changed == TOKEN)


@given(st.text(max_size=2 * MAX_CHARACTERS))
def test_any_other_text_does_not_open(text: str) -> None:
    """No text of a client makes it fail."""
    assert open_token(text, SECRET) is None
    assert open_token(f"aai-local.{text}", SECRET) is None


def test_signed_content_that_is_no_grant_does_not_open() -> None:
    """A later layout under the same secret is not misread."""
    payload = TOKEN.split(".")[1]
    assert open_token(TOKEN.replace(payload, payload[:-4]), SECRET) is None
