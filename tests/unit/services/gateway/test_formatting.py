"""Written form of plain lower-case words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.formatting import sentence_case


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("", ""),
        ("hello", "Hello."),
        ("what i said", "What I said."),
        ("i'm sure i've seen what i'd do and i'll go", "I'm sure I've seen what I'd do and I'll go."),
        ("is it on island", "Is it on island."),
        ("really?", "Really?"),
        ("stop!", "Stop!"),
        ("done.", "Done."),
    ],
)
def test_sentence_case_words_become_a_sentence(spoken: str, written: str) -> None:
    """First letter upper-case, the pronoun upper-case, one terminal mark."""
    assert " ".join(sentence_case(spoken.split())) == written


@given(st.lists(st.text(min_size=1)))
def test_sentence_case_any_words_keep_their_number(words: list[str]) -> None:
    """Each word keeps its place, and so its times; only a full stop is ever added."""
    written = sentence_case(words)
    assert len(written) == len(words)
    assert not written or written[-1][-1:] in set(".?!")
