"""Where the routing header leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.catalog import Model, Stack
from runtime.deployment import Deployment, whole_stack
from services.router.table import Refusal, RoutingTable, routing_table

ADDRESSES = {Model.ENGLISH: "127.0.0.1:1", Model.MULTILANG: "127.0.0.1:2", Model.PRO: "127.0.0.1:3"}


def universal() -> RoutingTable:
    """Return the table of the universal stack."""
    return routing_table(whole_stack(Stack.UNIVERSAL), ADDRESSES)


@pytest.mark.parametrize(("header", "address"), [("en-default", "127.0.0.1:1"), ("ml-default", "127.0.0.1:2")])
def test_route_deployed_model_goes_to_its_backend(header: str, address: str) -> None:
    """Each header value has its address."""
    assert universal().route(header) == address


@pytest.mark.parametrize("header", [None, "", "universal-3-6-pro", "EN-DEFAULT", "whisper"])
def test_route_absent_or_unknown_header_goes_to_english(header: str | None) -> None:
    """The vendor's router does the same."""
    assert universal().route(header) == "127.0.0.1:1"


def test_route_known_model_not_deployed_is_refused() -> None:
    """A model of the other stack has no backend here."""
    assert universal().route("u3-pro") is Refusal.NOT_DEPLOYED
    assert routing_table(whole_stack(Stack.U3PRO), ADDRESSES).route("en-default") is Refusal.NOT_DEPLOYED


def test_route_unknown_header_without_english_is_refused() -> None:
    """The fall-back is English, never another model."""
    assert routing_table(whole_stack(Stack.U3PRO), ADDRESSES).route("whisper") is Refusal.NOT_DEPLOYED


def test_route_draining_and_starting_models_have_backends() -> None:
    """In a switch, open streams and first probes need their way; new sessions are the gateway's matter."""
    table = routing_table(Deployment(Stack.U3PRO, (), (Model.ENGLISH, Model.MULTILANG), (Model.PRO,)), ADDRESSES)
    assert [table.route(model) for model in Model] == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]


def test_route_nothing_deployed_refuses_everything() -> None:
    """An empty host routes nothing."""
    empty = routing_table(Deployment(None, ()), ADDRESSES)
    assert {empty.route(header) for header in (None, "x", *Model)} == {Refusal.NOT_DEPLOYED}


@given(st.none() | st.text())
def test_route_any_header_has_an_answer(header: str | None) -> None:
    """Nothing a client sends as header raises."""
    assert universal().route(header) in {*ADDRESSES.values(), Refusal.NOT_DEPLOYED}
