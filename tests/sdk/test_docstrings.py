"""Descriptions of fields are the docstrings below them, read where templates and pages are made."""

from __future__ import annotations

from pydantic import Field

from zeebe_connectors.sdk.docstrings import described_fields
from zeebe_connectors.sdk.fields import Model


class Place(Model):
    host: str
    """Name of the server.

    Or its address.
    """
    port: int = 25
    """Where it listens."""
    path: str = Field(default="", description="Given by the field itself")
    """Not read."""
    plain: str = ""

    def port_and_host(self) -> str:
        """Not a field's."""
        return f"{self.host}:{self.port}"


class Narrower(Place):
    host: str = "localhost"
    port: int = 587
    """Where it listens, for mail of users."""


def _texts(model: type[Model]) -> dict[str, str | None]:
    return {name: info.description for name, info in described_fields(model).items()}


def test_a_docstring_below_a_field_describes_it() -> None:
    assert _texts(Place) == {
        "host": "Name of the server.\n\nOr its address.",
        "port": "Where it listens.",
        "path": "Given by the field itself",
        "plain": None,
    }


def test_a_field_that_is_declared_again_has_its_own_docstring_or_none() -> None:
    assert _texts(Narrower) == {**_texts(Place), "host": None, "port": "Where it listens, for mail of users."}


def test_a_class_inside_a_function_is_found() -> None:
    class Inner(Model):
        name: str
        """Inside."""

    assert _texts(Inner) == {"name": "Inside."}


def test_without_its_source_a_model_has_fields_without_descriptions() -> None:
    space: dict[str, type[Model]] = {}
    exec('class Made(Model):\n    name: str\n    """Nowhere."""\n', {"Model": Model}, space)
    assert _texts(space["Made"]) == {"name": None}
