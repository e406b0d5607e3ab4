"""A connector is one model and one function; an author's mistakes are told at once, with the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PydanticSchemaGenerationError

from zeebe_connectors import Context, Event, Group, Model, inbound, outbound
from zeebe_connectors.sdk.connector import DefinitionError
from zeebe_connectors.sdk.registry import Registry


class Greeting(Model):
    name: str
    """Whom to greet."""


class Thing:
    """Nothing that an input can be."""


class Odd(Model):
    thing: Thing


@outbound("greet", title="Greet", type="test:greet:1")
async def greet(given: Greeting, context: Context) -> str:
    """Greets somebody.

    With a smile.
    """
    return f"Hello {given.name}"


def test_a_description_holds_what_everything_is_made_of() -> None:
    """Summary and text from the docstring, variables from the model."""
    assert (greet.summary, greet.details) == ("Greets somebody.", "With a smile.")
    assert greet.variables == ["name"]
    assert greet.models == [Greeting]
    assert greet.output is str


def test_several_operations_are_a_union() -> None:
    """The variables of all operations are fetched."""

    class Read(Model):
        operation: Literal["read"] = "read"
        path: str

    class Write(Model):
        operation: Literal["write"] = "write"
        path: str
        content: str

    async def files(given: Annotated[Read | Write, Field(discriminator="operation")], context: Context) -> None:
        """Reads or writes."""

    files.__annotations__ = {"given": Annotated[Read | Write, Field(discriminator="operation")], "context": Context}
    connector = outbound("files", title="Files", type="test:files:1")(files)
    assert connector.models == [Read, Write]
    assert connector.variables == ["operation", "path", "content"]


async def no_docstring(given: Greeting, context: Context) -> None: ...


def not_async(given: Greeting, context: Context) -> None:
    """Greets."""


async def one_argument(given: Greeting) -> None:
    """Greets."""


async def no_model(given: dict[str, Any], context: Context) -> None:
    """Greets."""


async def no_annotation(given, context) -> None:
    """Greets."""


async def fine(given: Greeting, context: Context) -> None:
    """Greets."""


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (not_async, {}, "async def"),
        (one_argument, {}, "two arguments"),
        (no_model, {}, "subclass of zeebe_connectors.Model"),
        (no_annotation, {}, "annotate 'given'"),
        (no_docstring, {}, "docstring"),
        (fine, {"name": "My Greeting"}, "lower-case words"),
        (fine, {"type": " "}, "job type"),
        (fine, {"groups": [Group("a", "A"), Group("a", "B")]}, "same id"),
    ],
)
def test_an_authors_mistake_is_reported_with_its_remedy(function: Any, options: dict[str, Any], message: str) -> None:
    """At import, not at the first job."""
    given = {"name": "greet", "title": "Greet", "type": "test:greet:1", **options}
    with pytest.raises(DefinitionError, match=message):
        outbound(given.pop("name"), **given)(function)


def test_a_type_that_cannot_be_validated_is_refused_with_the_description() -> None:
    """An author hears of it when the module is imported, and not with the first job."""

    async def use(given: Odd, context: Context) -> None:
        """Does nothing."""

    with pytest.raises(PydanticSchemaGenerationError):
        outbound("odd", title="Odd", type="com.example:odd:1")(use)


def test_an_inbound_connector_is_a_generator() -> None:
    """A plain coroutine is refused."""

    async def watch(given: Greeting, context: Any) -> AsyncIterator[Event]:
        """Watches."""
        yield Event("1", {})

    watch.__annotations__ = {"given": Greeting}
    assert inbound("watch", title="Watch", type="test:watch:1")(watch).name == "watch"
    with pytest.raises(DefinitionError, match="async generator"):
        inbound("watch", title="Watch", type="test:watch:1")(fine)


def test_two_connectors_cannot_claim_one_type() -> None:
    """Jobs would go to either by chance."""
    other = outbound("other", title="Other", type="test:greet:1")(fine)
    with pytest.raises(DefinitionError, match="both claim the job type"):
        Registry([greet, other])
    twin = outbound("greet", title="Greet", type="test:greet:2")(fine)
    with pytest.raises(DefinitionError, match="two connectors are named"):
        Registry([greet, twin])


def test_a_missing_library_is_reported_with_the_extra_that_brings_it(tmp_path, monkeypatch) -> None:
    """A third party's connector is one file and one line; without its library it is listed, the others work."""
    package = tmp_path / "acme_connector.py"
    package.write_text("import a_library_that_is_not_there\n")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zeebe_connectors]\nacme = acme_connector:call [fast]\nbroken = json:dumps\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry.installed()
    assert "pip install 'acme[fast]'" in registry.unavailable["acme"].reason
    assert "@outbound" in registry.unavailable["broken"].reason
    assert "rest" in registry.outbound


def test_a_look_is_an_async_generator_too() -> None:
    """What a test by hand would show comes one after the other, as when the source is watched."""

    async def preview(given: Greeting, context: Any, hours: float) -> list[Event]:
        return []

    with pytest.raises(DefinitionError, match=r"preview=.*preview must be an async generator"):

        @inbound("greet-in", title="Greet", type="test:greet-in:1", preview=preview)  # type: ignore[arg-type]
        async def watch(given: Greeting, context: Any) -> AsyncIterator[Event]:
            """Watches."""
            yield Event("1", {})
