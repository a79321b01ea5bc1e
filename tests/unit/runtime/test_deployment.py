"""The file that says which models serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.catalog import Model, Stack
from runtime.deployment import FILE_NAME, Deployment, read_deployment, whole_stack, write_deployment
from runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("stack", "models"), [(Stack.UNIVERSAL, (Model.ENGLISH, Model.MULTILANG)), (Stack.U3PRO, (Model.PRO,))]
)
def test_whole_stack_serves_all_its_models(stack: Stack, models: tuple[Model, ...]) -> None:
    """Nothing drains and nothing starts."""
    assert whole_stack(stack) == Deployment(stack, models, (), ())


def test_deployment_never_written_is_the_universal_stack(tmp_path: Path) -> None:
    """A program started by hand serves something."""
    assert read_deployment(tmp_path) == whole_stack(Stack.UNIVERSAL)


@pytest.mark.parametrize(
    "deployment",
    [
        whole_stack(Stack.U3PRO),
        Deployment(Stack.U3PRO, (), draining=(Model.ENGLISH, Model.MULTILANG), starting=(Model.PRO,)),
        Deployment(None, ()),
    ],
)
def test_deployment_written_is_read_back(deployment: Deployment, tmp_path: Path) -> None:
    """All of it, also when there is no stack."""
    write_deployment(tmp_path / "run", deployment)
    assert read_deployment(tmp_path / "run") == deployment
    assert (tmp_path / "run" / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"stack":"gpu","serving":[]}', b'{"stack":null,"serving":["whisper"]}', b"\xff\xfe",
     b'{"stack":"\xff","serving":[]}'],
)  # fmt: skip
def test_deployment_broken_is_refused_with_the_way_out(content: bytes, tmp_path: Path) -> None:
    """The message names the file and the command that writes it anew."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match=r"deployment\.json: .*`aai-console down` and `up`"):
        read_deployment(tmp_path)


def test_deployment_unreadable_is_refused(tmp_path: Path) -> None:
    """A directory in its place is an error in one line, too."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigError):
        read_deployment(tmp_path)
