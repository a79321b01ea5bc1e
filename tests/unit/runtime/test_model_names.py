"""The operator's aliases of model names."""

from __future__ import annotations

import pytest

from runtime.model_names import parse_aliases


def test_aliases_are_pairs_in_their_order() -> None:
    """Blanks and empty entries do not matter; a known name may be an alias."""
    assert parse_aliases(" acme = universal-streaming-english ,, universal-3-6-pro=u3-rt-pro,") == (
        ("acme", "universal-streaming-english"),
        ("universal-3-6-pro", "u3-rt-pro"),
    )


def test_aliases_none_given_are_none() -> None:
    """An empty list is a list."""
    assert parse_aliases(" , ") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("acme", "'acme' is not alias=name"),
        ("a=b=u3-pro", "'a=b=u3-pro' is not alias=name"),
        ("=u3-pro", "'' cannot be an alias"),
        ("a b=u3-pro", "'a b' cannot be an alias"),
        ("-a=u3-pro", "'-a' cannot be an alias"),
        ("ä=u3-pro", "'ä' cannot be an alias"),
        ("x" * 65 + "=u3-pro", "cannot be an alias: up to 64"),
        ("a=", "'a' means '', which is none of universal-streaming-english, "),
        ("a=whisper-rt", "'a' means 'whisper-rt', which is none of universal-streaming-english, "),
        ("a=u3-pro,a=u3-rt-pro", "'a' stands there twice"),
        ("a=b,b=u3-pro", "'a' means 'b', which is an alias itself"),
        ("a=b,b=a", "'a' means 'b', which is an alias itself"),
        ("u3-pro=u3-pro", "'u3-pro' means 'u3-pro', which is an alias itself"),
        ("a=u3-pro,u3-pro=u3-rt-pro", "'a' means 'u3-pro', which is an alias itself"),
    ],
)
def test_aliases_bad_entry_is_named(text: str, reason: str) -> None:
    """Malformed, unknown, doubled, chained and looping ones."""
    with pytest.raises(ValueError, match=r"means|is not|cannot|twice") as caught:
        parse_aliases(text)
    assert reason in str(caught.value)
