"""Which backend a stream goes to, from its routing header alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from runtime.catalog import Model
from runtime.deployment import Deployment

ROUTING_HEADER = "x-model-version"


class Refusal(Enum):
    """Why a stream has no backend."""

    NOT_DEPLOYED = "the model of x-model-version is not deployed on this host"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Addresses (host:port) of the deployed models."""

    backends: Mapping[Model, str]

    def route(self, header: str | None) -> str | Refusal:
        """Return the address for a header value; absent and unknown values go to English."""
        model = Model(header) if header in set(Model) else Model.ENGLISH
        return self.backends.get(model, Refusal.NOT_DEPLOYED)


def routing_table(deployment: Deployment, addresses: Mapping[Model, str]) -> RoutingTable:
    """Return the table of a deployment.

    Models that drain or start are in it too: open streams and verification need them, and the
    gateway is the one who refuses new sessions.
    """
    deployed: Sequence[Model] = (*deployment.serving, *deployment.draining, *deployment.starting)
    return RoutingTable({model: addresses[model] for model in deployed})
