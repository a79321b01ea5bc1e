"""Which backend and which rules a model name gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.catalog import Model, Stack
from runtime.deployment import Deployment, whole_stack
from runtime.errors import InvalidInput, UpstreamError
from runtime.model_names import ENGLISH_NAME, MULTILANG_NAME, PRO_NAMES
from services.gateway.models import (
    ChosenModel,
    TurnDefaults,
    TurnStyle,
    choose_model,
    resolve_turns,
    turn_defaults,
)
from services.gateway.parameters import TurnOptions

UNIVERSAL = whole_stack(Stack.UNIVERSAL)
U3PRO = whole_stack(Stack.U3PRO)
TO_U3PRO = Deployment(Stack.U3PRO, (), draining=(Model.ENGLISH, Model.MULTILANG), starting=(Model.PRO,))
TO_UNIVERSAL = Deployment(Stack.UNIVERSAL, (), draining=(Model.PRO,), starting=(Model.ENGLISH, Model.MULTILANG))


def chosen(
    name: str | None, deployment: Deployment, language: str | None = None, *, strict: bool = False
) -> ChosenModel:
    """Resolve a request on a host."""
    return choose_model(name, language, deployment, strict=strict)


def refusal(name: str | None, deployment: Deployment, language: str | None = None, *, strict: bool = False) -> str:
    """Return the text a request is refused with."""
    with pytest.raises(InvalidInput) as caught:
        chosen(name, deployment, language, strict=strict)
    return str(caught.value)


@pytest.mark.parametrize(("name", "backend"), [(ENGLISH_NAME, Model.ENGLISH), (MULTILANG_NAME, Model.MULTILANG)])
def test_universal_name_goes_to_its_backend(name: str, backend: Model) -> None:
    """The two Universal-Streaming names have a backend each."""
    assert chosen(name, UNIVERSAL) == ChosenModel(name, backend, TurnStyle.UNIVERSAL)


@pytest.mark.parametrize("name", PRO_NAMES)
@pytest.mark.parametrize("strict", [False, True])
def test_pro_name_goes_to_the_pro_backend_when_deployed(name: str, strict: bool) -> None:
    """Every Pro name, the aliases too, gets the one Pro backend and is echoed as asked."""
    assert chosen(name, U3PRO, strict=strict) == ChosenModel(name, Model.PRO, TurnStyle.PRO)


@pytest.mark.parametrize("name", PRO_NAMES)
def test_pro_name_without_pro_backend_gets_english_with_pro_rules(name: str) -> None:
    """The plugins' default name must start on the universal stack."""
    assert chosen(name, UNIVERSAL) == ChosenModel(name, Model.ENGLISH, TurnStyle.PRO)


def test_pro_name_strict_without_pro_backend_is_refused() -> None:
    """With AAI_STRICT_MODELS a Pro name needs a Pro backend; the refusal says what there is."""
    assert refusal("universal-3-6-pro", UNIVERSAL, strict=True) == (
        "User Input Validation Error: Invalid 'speech_model': 'universal-3-6-pro' is not deployed on this server, "
        "which serves 'universal-streaming-english', 'universal-streaming-multilingual'"
    )


def test_pro_name_english_serves_while_pro_starts() -> None:
    """A Pro name always starts where something can serve it now."""
    deployment = Deployment(None, (Model.ENGLISH,), starting=(Model.PRO,))
    assert chosen("universal-3-6-pro", deployment).backend is Model.ENGLISH


@pytest.mark.parametrize("name", [*PRO_NAMES, None])
def test_model_whose_backend_starts_is_refused_as_temporary(name: str | None) -> None:
    """In the middle of a switch the new stack's names fail as a server matter, not as the client's mistake."""
    with pytest.raises(UpstreamError, match=r"^Session Cancelled: .* is starting"):
        chosen(name, TO_U3PRO)


@pytest.mark.parametrize("name", [ENGLISH_NAME, MULTILANG_NAME])
def test_model_that_drains_is_refused(name: str) -> None:
    """A stack that is being left takes no new sessions."""
    assert "Invalid 'speech_model'" in refusal(name, TO_U3PRO)


@pytest.mark.parametrize("name", [*PRO_NAMES, ENGLISH_NAME, None])
def test_model_switch_back_to_universal_waits_for_english(name: str | None) -> None:
    """While Pro drains and English starts, every name that English will serve is told to come back."""
    with pytest.raises(UpstreamError):
        chosen(name, TO_UNIVERSAL)


@pytest.mark.parametrize("name", [ENGLISH_NAME, MULTILANG_NAME])
def test_universal_name_on_the_pro_stack_is_refused(name: str) -> None:
    """Known but not deployed is 3006."""
    assert f"'{name}' is not deployed on this server, which serves 'u3-rt-pro'" in refusal(name, U3PRO)


def test_nothing_deployed_is_refused_in_words() -> None:
    """With no model at all the refusal says so."""
    assert refusal(None, Deployment(None, ())).endswith("which serves no model at present")


@pytest.mark.parametrize("name", ["whisper-rt", "universal", "U3-PRO", "en-default"])
def test_unknown_name_is_refused_with_the_choices(name: str) -> None:
    """Names that were never ours, and whisper-rt, are refused with the accepted ones."""
    text = refusal(name, UNIVERSAL)
    assert text.startswith("User Input Validation Error: Invalid 'speech_model': Input should be '")
    assert "'universal-streaming-english', 'universal-streaming-multilingual', 'u3-rt-pro'" in text


ALIASES = {
    "acme-dictation": ENGLISH_NAME, "acme-voice": "u3-rt-pro", "universal-3-6-pro": "u3-rt-pro",
    MULTILANG_NAME: "universal-3-5-pro",
}  # fmt: skip


def test_alias_gets_what_its_model_gets_and_is_echoed() -> None:
    """The client hears the name it asked for."""
    english = choose_model("acme-dictation", None, UNIVERSAL, strict=False, aliases=ALIASES)
    assert (english.name, english.backend, english.turn_style) == (
        "acme-dictation", Model.ENGLISH, TurnStyle.UNIVERSAL,
    )  # fmt: skip
    voice = choose_model("acme-voice", None, UNIVERSAL, strict=False, aliases=ALIASES)
    assert (voice.name, voice.backend, voice.turn_style) == ("acme-voice", Model.ENGLISH, TurnStyle.PRO)


def test_alias_of_a_known_name_takes_its_place() -> None:
    """Backend and turn rules are those of the other model."""
    multilang = choose_model(MULTILANG_NAME, None, U3PRO, strict=True, aliases=ALIASES)
    assert (multilang.name, multilang.backend, multilang.turn_style) == (MULTILANG_NAME, Model.PRO, TurnStyle.PRO)


def test_alias_has_the_turn_defaults_of_its_model() -> None:
    """Here those of the older Pro model, not of the name that was asked for."""
    model = choose_model("universal-3-6-pro", None, U3PRO, strict=False, aliases=ALIASES)
    assert turn_defaults(model, None) == turn_defaults(chosen("u3-rt-pro", U3PRO), None)
    assert turn_defaults(model, "balanced") == turn_defaults(chosen("universal-3-6-pro", U3PRO), "balanced")


def test_alias_of_a_model_that_is_not_deployed_is_refused_under_its_own_name() -> None:
    """Strict mode holds for aliases too."""
    with pytest.raises(InvalidInput, match="'acme-voice' is not deployed on this server"):
        choose_model("acme-voice", None, UNIVERSAL, strict=True, aliases=ALIASES)


def test_unknown_name_is_refused_with_the_aliases_among_the_choices() -> None:
    """Each name once."""
    with pytest.raises(InvalidInput) as caught:
        choose_model("acme", None, UNIVERSAL, strict=False, aliases=ALIASES)
    assert str(caught.value).endswith(", 'universal-3-6', 'u3-pro', 'acme-dictation' or 'acme-voice'")
    assert str(caught.value).count("'universal-3-6-pro'") == 1


def test_no_name_is_not_subject_to_aliases() -> None:
    """They are for names that were asked for."""
    model = choose_model(None, "fr", UNIVERSAL, strict=False, aliases=ALIASES)
    assert model == ChosenModel(MULTILANG_NAME, Model.MULTILANG, TurnStyle.UNIVERSAL)


@pytest.mark.parametrize(
    ("language", "deployment", "expected"),
    [
        (None, UNIVERSAL, ChosenModel(ENGLISH_NAME, Model.ENGLISH, TurnStyle.UNIVERSAL)),
        ("en", UNIVERSAL, ChosenModel(ENGLISH_NAME, Model.ENGLISH, TurnStyle.UNIVERSAL)),
        ("multi", UNIVERSAL, ChosenModel(MULTILANG_NAME, Model.MULTILANG, TurnStyle.UNIVERSAL)),
        ("fr", UNIVERSAL, ChosenModel(MULTILANG_NAME, Model.MULTILANG, TurnStyle.UNIVERSAL)),
        (None, U3PRO, ChosenModel("u3-rt-pro", Model.PRO, TurnStyle.PRO)),
        ("en", U3PRO, ChosenModel("u3-rt-pro", Model.PRO, TurnStyle.PRO)),
    ],
)
def test_no_name_language_and_stack_decide(language: str | None, deployment: Deployment, expected: ChosenModel) -> None:
    """Without a name: English if deployed, else Pro; any other language is multilingual."""
    assert chosen(None, deployment, language) == expected


def test_name_and_language_name_wins() -> None:
    """The deprecated parameter counts only without a name."""
    assert chosen(ENGLISH_NAME, UNIVERSAL, "fr").backend is Model.ENGLISH


def test_no_name_strict_is_still_served() -> None:
    """The vendor's script sends no name; that is never an error where anything is deployed."""
    assert chosen(None, UNIVERSAL, strict=True).backend is Model.ENGLISH
    assert chosen(None, U3PRO, strict=True).backend is Model.PRO


@pytest.mark.parametrize(
    ("name", "mode", "silences_and_delay", "vad_threshold"),
    [
        ("u3-rt-pro", None, (100, 1000, 500), 0.3),
        ("universal-3-5-pro", None, (128, 1280, 500), 0.2),
        ("universal-3-6-pro", None, (128, 1280, 500), 0.2),
        ("universal-3-6-pro", "min_latency", (128, 640, 0), 0.2),
        ("universal-3-6-pro", "balanced", (128, 1280, 500), 0.2),
        ("universal-3-6-pro", "max_accuracy", (512, 2560, 500), 0.2),
    ],
)
def test_turn_defaults_pro_follow_the_preset(
    name: str, mode: str | None, silences_and_delay: tuple[int, int, int], vad_threshold: float
) -> None:
    """The table of presets, and the older model's own values."""
    defaults = turn_defaults(ChosenModel(name, Model.PRO, TurnStyle.PRO), mode)
    found = (defaults.min_turn_silence_ms, defaults.max_turn_silence_ms, defaults.interruption_delay_ms)
    assert found == silences_and_delay
    assert defaults.vad_threshold == vad_threshold


def test_turn_defaults_universal_are_the_documented_ones() -> None:
    """Threshold 0.4, 400 and 1280 ms of silence, speech from 0.4."""
    defaults = turn_defaults(ChosenModel(ENGLISH_NAME, Model.ENGLISH, TurnStyle.UNIVERSAL), None)
    assert defaults == TurnDefaults(0.4, 400, 1280, 0.4, 500, continuous_partials=True)


def test_resolve_turns_given_values_replace_defaults() -> None:
    """Every explicit parameter overrides the preset, zeros and false too."""
    asked = TurnOptions(0.0, 60, 90, 0.0, 0, False)
    resolved = resolve_turns(TurnDefaults(0.4, 400, 1280, 0.4, 500, True), asked)
    assert resolved == TurnDefaults(0.0, 60, 90, 0.0, 0, False)


def test_resolve_turns_equal_silences_stay_equal() -> None:
    """LiveKit and Pipecat send both as 100."""
    asked = TurnOptions(min_turn_silence_ms=100, max_turn_silence_ms=100)
    resolved = resolve_turns(TurnDefaults(1.0, 128, 1280, 0.2, 500, True), asked)
    assert (resolved.min_turn_silence_ms, resolved.max_turn_silence_ms) == (100, 100)


millis = st.none() | st.integers(50, 10_000)


@given(millis, millis)
def test_resolve_turns_minimum_lifts_the_maximum(minimum: int | None, maximum: int | None) -> None:
    """However the two are given, the maximum is never below the minimum, and the minimum is as asked."""
    asked = TurnOptions(min_turn_silence_ms=minimum, max_turn_silence_ms=maximum)
    resolved = resolve_turns(TurnDefaults(0.4, 400, 1280, 0.4, 500, True), asked)
    assert resolved.min_turn_silence_ms == (400 if minimum is None else minimum)
    assert resolved.max_turn_silence_ms == max(resolved.min_turn_silence_ms, 1280 if maximum is None else maximum)
