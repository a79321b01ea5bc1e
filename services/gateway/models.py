"""Which backend and which turn rules a requested model name gets on this host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from runtime.catalog import Model
from runtime.deployment import Deployment
from runtime.errors import InvalidInput, UpstreamError
from runtime.model_names import DEFAULT_PRO_NAME, ENGLISH_NAME, KNOWN_NAMES, MULTILANG_NAME, PRO_NAMES
from services.gateway.parameters import TurnOptions, invalid

T = TypeVar("T")


class TurnStyle(StrEnum):
    """The protocol's two rule sets for partials and turn ends."""

    UNIVERSAL = "universal"
    PRO = "pro"


NO_ALIASES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """The outcome: the name to echo, the backend to route to, the rules to follow.

    Attributes:
        alias_of: the known name an alias stands for; "" when the name is one itself.
    """

    name: str
    backend: Model
    turn_style: TurnStyle
    alias_of: str = ""


@dataclass(frozen=True, slots=True)
class TurnDefaults:
    """Turn detection where the client asked for nothing."""

    end_of_turn_confidence_threshold: float
    min_turn_silence_ms: int
    max_turn_silence_ms: int
    vad_threshold: float
    interruption_delay_ms: int
    continuous_partials: bool


UNIVERSAL_DEFAULTS = TurnDefaults(0.4, 400, 1280, 0.4, 500, True)
# Protocol section 8.5: (mode -> min, max, interruption delay) of the 3.5 and 3.6 models.
PRO_MODES = {
    "min_latency": TurnDefaults(1.0, 128, 640, 0.2, 0, True),
    "balanced": TurnDefaults(1.0, 128, 1280, 0.2, 500, True),
    "max_accuracy": TurnDefaults(1.0, 512, 2560, 0.2, 500, True),
}
U3_RT_PRO_DEFAULTS = TurnDefaults(1.0, 100, 1000, 0.3, 500, True)
DEFAULT_PRO_MODE = "balanced"


def choose_model(
    speech_model: str | None,
    language: str | None,
    deployment: Deployment,
    *,
    strict: bool,
    aliases: Mapping[str, str] = NO_ALIASES,
) -> ChosenModel:
    """Resolve what a client asked for.

    Args:
        speech_model: requested name, or None.
        language: the deprecated parameter; used only without a name.
        strict: refuse Pro names instead of serving them with English.
        aliases: the operator's further names, each of a known one; a known name may be among them.

    Raises:
        InvalidInput: the name is unknown, or its model is not deployed or is being shut down here.
        UpstreamError: the model is deployed but its backend is still starting.
    """
    if speech_model is None:
        return _default_model(language, deployment)
    alias_of = aliases.get(speech_model, "")
    known = alias_of or speech_model
    if known not in KNOWN_NAMES:
        *listed, last = (f"'{name}'" for name in dict.fromkeys((*KNOWN_NAMES, *aliases)))
        raise invalid("speech_model", f"Input should be {', '.join(listed)} or {last}")
    if known in PRO_NAMES:
        backend, style = _pro_backend(deployment, strict=strict), TurnStyle.PRO
    else:
        backend, style = Model.ENGLISH if known == ENGLISH_NAME else Model.MULTILANG, TurnStyle.UNIVERSAL
    return ChosenModel(speech_model, _available(speech_model, backend, deployment), style, alias_of)


def turn_defaults(model: ChosenModel, mode: str | None) -> TurnDefaults:
    """Return the defaults of a model, or of the Pro preset a client asked for."""
    if model.turn_style is TurnStyle.UNIVERSAL:
        return UNIVERSAL_DEFAULTS
    if mode is None and (model.alias_of or model.name) == DEFAULT_PRO_NAME:
        return U3_RT_PRO_DEFAULTS
    return PRO_MODES[mode or DEFAULT_PRO_MODE]


def resolve_turns(defaults: TurnDefaults, asked: TurnOptions) -> TurnDefaults:
    """Return every threshold, the client's where given; a minimum above the maximum lifts the maximum."""
    minimum = _first(asked.min_turn_silence_ms, defaults.min_turn_silence_ms)
    maximum = _first(asked.max_turn_silence_ms, defaults.max_turn_silence_ms)
    return TurnDefaults(
        end_of_turn_confidence_threshold=_first(
            asked.end_of_turn_confidence_threshold, defaults.end_of_turn_confidence_threshold
        ),
        min_turn_silence_ms=minimum,
        max_turn_silence_ms=max(minimum, maximum),
        vad_threshold=_first(asked.vad_threshold, defaults.vad_threshold),
        interruption_delay_ms=_first(asked.interruption_delay_ms, defaults.interruption_delay_ms),
        continuous_partials=_first(asked.continuous_partials, defaults.continuous_partials),
    )


def _first(asked: T | None, default: T) -> T:
    return default if asked is None else asked


def _pro_backend(deployment: Deployment, *, strict: bool) -> Model:
    """Return what serves a Pro name: the first that can do so now, else the first that soon will."""
    candidates = (Model.PRO,) if strict else (Model.PRO, Model.ENGLISH)
    ready = next((model for model in candidates if model in deployment.serving), None)
    return ready or (Model.PRO if strict or Model.PRO in deployment.starting else Model.ENGLISH)


def _default_model(language: str | None, deployment: Deployment) -> ChosenModel:
    if language not in (None, "en"):
        return ChosenModel(MULTILANG_NAME, _available(MULTILANG_NAME, Model.MULTILANG, deployment), TurnStyle.UNIVERSAL)
    if Model.ENGLISH in deployment.serving:
        return ChosenModel(ENGLISH_NAME, Model.ENGLISH, TurnStyle.UNIVERSAL)
    if Model.PRO in (*deployment.serving, *deployment.starting):
        return ChosenModel(DEFAULT_PRO_NAME, _available(DEFAULT_PRO_NAME, Model.PRO, deployment), TurnStyle.PRO)
    return ChosenModel(ENGLISH_NAME, _available(ENGLISH_NAME, Model.ENGLISH, deployment), TurnStyle.UNIVERSAL)


def _available(name: str, backend: Model, deployment: Deployment) -> Model:
    if backend in deployment.serving:
        return backend
    if backend in deployment.starting:
        raise UpstreamError(f"Session Cancelled: the backend of '{name}' is starting, try again")
    raise _not_deployed(name, deployment)


def _not_deployed(name: str, deployment: Deployment) -> InvalidInput:
    served = {
        Model.ENGLISH: f"'{ENGLISH_NAME}'",
        Model.MULTILANG: f"'{MULTILANG_NAME}'",
        Model.PRO: f"'{DEFAULT_PRO_NAME}'",
    }
    listed = ", ".join(served[model] for model in deployment.serving) or "no model at present"
    return invalid("speech_model", f"'{name}' is not deployed on this server, which serves {listed}")
