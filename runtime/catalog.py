"""What can run here: programs, models and stacks, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Model(StrEnum):
    """Value of the routing header `x-model-version`."""

    ENGLISH = "en-default"
    MULTILANG = "ml-default"
    PRO = "u3-pro"


class Stack(StrEnum):
    """A set of ASR servers that runs together; only one stack runs at a time."""

    UNIVERSAL = "universal"
    U3PRO = "u3pro"


LICENSE_PROXY = "license-and-usage-proxy"
ROUTER = "streaming-asr-lb"
GATEWAY = "streaming-api"


@dataclass(frozen=True, slots=True)
class AsrServer:
    """One ASR program: its name, the model it serves and the stack it belongs to.

    Attributes:
        port_variable: the setting that holds its gRPC port.
        ready_line: the log line operators' scripts wait for, word for word.
    """

    program: str
    model: Model
    stack: Stack
    port_variable: str
    ready_line: str


ASR_SERVERS: tuple[AsrServer, ...] = (
    AsrServer("streaming-asr-english", Model.ENGLISH, Stack.UNIVERSAL, "AAI_ASR_ENGLISH_PORT", "Ready to serve!"),
    AsrServer("streaming-asr-multilang", Model.MULTILANG, Stack.UNIVERSAL, "AAI_ASR_MULTILANG_PORT", "Ready to serve!"),
    AsrServer("streaming-asr-u3pro", Model.PRO, Stack.U3PRO, "AAI_ASR_U3PRO_PORT", "U3Pro ASR Server ready!"),
)

ASR_SERVER_BY_PROGRAM = {server.program: server for server in ASR_SERVERS}


def servers_of(stack: Stack) -> tuple[AsrServer, ...]:
    """Return the ASR servers of a stack, in start order."""
    return tuple(server for server in ASR_SERVERS if server.stack is stack)


def models_of(stack: Stack) -> tuple[Model, ...]:
    """Return the models a stack serves."""
    return tuple(server.model for server in servers_of(stack))


def programs_of(stack: Stack) -> tuple[str, ...]:
    """Return every program of a running stack, in the order it must become ready."""
    return (LICENSE_PROXY, *(server.program for server in servers_of(stack)), ROUTER, GATEWAY)
