"""Describe connectors: `@outbound` and `@inbound` turn a function and its models into one, and report mistakes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from zeebe_connectors.sdk.annotations import leaf_types
from zeebe_connectors.sdk.context import Context, InboundContext
from zeebe_connectors.sdk.event import Event
from zeebe_connectors.sdk.fields import Model, compile_input, wire_names
from zeebe_connectors.sdk.importer import Importer
from zeebe_connectors.sdk.provided import VALUES, ProviderPlace, provider_places
from zeebe_connectors.sdk.secret_places import SecretPlaces

ModelType = type[Model]
NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
_OWN = "zeebe_connectors.connectors."


class DefinitionError(TypeError):
    """A connector is described wrongly; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A titled section of the form in the Modeler."""

    id: str
    label: str
    tooltip: str | None = None
    open: bool | None = None


@dataclass(frozen=True)
class Description:
    """What all connectors have in common: what template, page and validation are made of."""

    name: str
    title: str
    type: str
    input: Any
    groups: Sequence[Group]
    summary: str
    details: str
    errors: Mapping[str, str]
    keywords: Sequence[str]
    template_version: int
    template_id: str
    template: bool
    icon: Path | None
    module: str
    protocols: Sequence[str] = field(default=(), kw_only=True)
    """The protocols of the providers that it takes; empty when it takes none."""
    documentation: str = field(default="", kw_only=True)
    """Where it is documented on the web; when empty, the link `Documentation` of its package's metadata counts."""
    libraries: Sequence[str] = field(default=(), kw_only=True)
    """The modules of other packages without which it is not available."""

    @property
    def is_own(self) -> bool:
        """Whether it is part of this project, and not of somebody else's package."""
        return self.module.startswith(_OWN)

    @cached_property
    def models(self) -> list[ModelType]:
        """The input model, or the members when it is a union of operations."""
        return leaf_types(self.input)

    @cached_property
    def variables(self) -> list[str]:
        """The top-level variables to fetch with a job."""
        return [*wire_names(self.input), VALUES] if self.protocols else wire_names(self.input)

    @cached_property
    def provider_places(self) -> list[ProviderPlace]:
        """The inputs that a provider fills."""
        return provider_places(self.input)

    @cached_property
    def secret_places(self) -> SecretPlaces:
        """Where in the raw input secrets' placeholders resolve when the diagram is not known."""
        return SecretPlaces.of(self.input)

    @cached_property
    def secret_inputs(self) -> SecretPlaces:
        """The inputs of type `Secret` alone."""
        return SecretPlaces.of(self.input, hints=False)


@dataclass(frozen=True)
class Outbound(Description):
    """A described async function that carries out jobs: one input, one output, one job type."""

    call: Callable[[Any, Context], Awaitable[Any]] = field(repr=False, default=None)  # type: ignore[assignment]
    output: Any = Any
    also: Sequence[str] = ()
    """Further job types with the same inputs."""
    result_expression: str | None = None
    """What the template's result expression starts with."""
    importer: Importer | None = None
    """Makes templates of descriptions of services, if it can."""
    test: TestFunction | None = field(repr=False, default=None)
    """Tries connection and login, and changes nothing; None when it cannot."""
    test_inputs: Mapping[str, Any] = field(default_factory=dict)
    """The inputs by wire name that a test needs besides where to connect to."""

    def as_test(self) -> Outbound:
        """Returns the same connector with its test in the place of its work, so that a test is carried out as a job is.

        Raises:
            DefinitionError: It has no test.
        """
        if self.test is None:
            raise DefinitionError(f"the connector {self.name} has no test operation; carry out a job that does no harm")
        return replace(self, call=self.test)

    failure: Callable[[str], Mapping[str, Any]] | None = field(repr=False, default=None)
    """What the result variable takes when the task fails, of the error's message; None leaves it unset."""

    def __call__(self, request: Any, context: Context) -> Awaitable[Any]:
        """Calls the function itself, as in a test of the author's own."""
        return self.call(request, context)


@dataclass(frozen=True)
class Inbound(Description):
    """A described async generator that watches one place and yields events."""

    watch: Callable[[Any, Any], AsyncIterator[Event]] = field(repr=False, default=None)  # type: ignore[assignment]
    preview: PreviewFunction | None = field(repr=False, default=None)
    """Shows what it would hand over, for a test by hand; None when it cannot."""
    result_variable: str = ""
    """The variable that takes the whole event in its templates, unless the modeler names another."""
    result_expression: str = ""
    """What its templates' result expression starts with."""
    event_fields: Sequence[str] = ()
    """The names under which expressions see what an event has; they stand in the form."""


TestFunction = Callable[[Any, Context], Awaitable[str]]
"""`(input, context)` -> words for the operator, when connection and login work; raises what a job would raise."""
PreviewFunction = Callable[[Any, InboundContext, float], AsyncIterator[Event]]
"""`(settings, context, hours)` -> the events of the last hours, old ones too; touches nothing outside."""

CallT = TypeVar("CallT", bound=Callable[..., Any])


def outbound(
    name: str,
    *,
    title: str,
    type: str,  # noqa: A002 - the engine's own word
    groups: Sequence[Group] = (),
    errors: Mapping[str, str] | None = None,
    keywords: Sequence[str] = (),
    also: Sequence[str] = (),
    template: bool = True,
    template_id: str | None = None,
    template_version: int = 1,
    icon: str = "icon.svg",
    result_expression: str | None = None,
    importer: Importer | None = None,
    protocols: Sequence[str] = (),
    test: TestFunction | None = None,
    test_inputs: Mapping[str, Any] | None = None,
    failure: Callable[[str], Mapping[str, Any]] | None = None,
    documentation: str = "",
    libraries: Sequence[str] = (),
) -> Callable[[Callable[[Any, Context], Awaitable[Any]]], Outbound]:
    """Describes an async function `(input, context) -> output` as an outbound connector.

    Args:
        name: Lower-case words with dashes; folder, template file, page and example are named after it.
        title: As the Modeler lists it.
        type: The Zeebe job type.
        groups: The form's sections, in order. A field whose hint names no group comes first.
        errors: Error code -> what it means and what to do; stands on the connector's page.
        keywords: Words under which the Modeler finds it.
        also: Further job types with the same inputs.
        template: Whether an element template is generated (a connector for another project's template has none).
        template_id: Stable id of the template; derived from the job type when left out.
        template_version: Raise it with every change that is not cosmetic.
        icon: SVG file beside the module.
        result_expression: What the form's result expression starts with.
        importer: Makes templates of descriptions of services.
        protocols: The protocols of the providers that it takes, such as `("ftp", "ftps")`; a field's hint names what
            the provider fills.
        test: An async function `(input, context) -> words` that tries connection and login and changes nothing, such as
            listing a folder; for `try --test` and the check of providers.
        test_inputs: Wire name -> value: the least that the input model wants for a test, besides the address.
        failure: Makes of an error's message what the result variable takes when the task fails, where diagrams read
            there that it did; sent with the failure, with a BPMN error and with `ignoreError`.
        documentation: Address of its documentation, for the Modeler; its package's link `Documentation` when left out.
        libraries: Modules that it imports when it works, such as `("zeep",)`; one that is missing shows at the start.

    Raises:
        DefinitionError: Something is wrong with the description; the message says what to change.
        ModuleNotFoundError: One of the libraries is missing.
    """
    _require(libraries)

    def describe(function: Callable[[Any, Context], Awaitable[Any]]) -> Outbound:
        where = f"@outbound({name!r})"
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(f"{where}: {_called(function)} must be a function written with `async def`")
        if test is not None and not inspect.iscoroutinefunction(test):
            raise DefinitionError(f"{where}: test={_called(test)} must be a function written with `async def`")
        model, output = _signature(function, where, first="a job's input")
        _check(where, name, type, model, groups, function.__module__)
        summary, details = _docstring(function, where)
        return Outbound(
            name=name,
            title=title,
            type=type,
            input=model,
            groups=tuple(groups),
            summary=summary,
            details=details,
            errors=dict(errors or {}),
            keywords=tuple(keywords),
            template=template,
            template_id=template_id or _template_id(function, name, type),
            template_version=template_version,
            icon=_icon(function, icon),
            module=function.__module__,
            call=function,
            output=output,
            also=tuple(also),
            result_expression=result_expression,
            importer=importer,
            protocols=tuple(protocols),
            test=test,
            test_inputs=dict(test_inputs or {}),
            failure=failure,
            documentation=documentation,
            libraries=tuple(libraries),
        )

    return describe


def inbound(
    name: str,
    *,
    title: str,
    type: str,  # noqa: A002 - the engine's own word
    groups: Sequence[Group] = (),
    errors: Mapping[str, str] | None = None,
    keywords: Sequence[str] = (),
    template: bool = True,
    template_id: str | None = None,
    template_version: int = 1,
    icon: str = "icon.svg",
    preview: PreviewFunction | None = None,
    protocols: Sequence[str] = (),
    result_variable: str = "",
    result_expression: str = "",
    event_fields: Sequence[str] = (),
    documentation: str = "",
    libraries: Sequence[str] = (),
) -> Callable[[Callable[[Any, Any], AsyncIterator[Event]]], Inbound]:
    """Describes an async generator `(input, context) -> events` as an inbound connector.

    Args:
        name: Lower-case words with dashes.
        title: As the Modeler lists it.
        type: The value of the element's property `inbound.type`.
        groups: The form's sections, in order.
        errors: Error code -> what it means and what to do.
        keywords: Words under which the Modeler finds it.
        template: Whether element templates are generated.
        template_id: Stable id of the templates; derived from the type when left out.
        template_version: Raise it with every change that is not cosmetic.
        icon: SVG file beside the module.
        preview: An async generator `(settings, context, hours)` that yields the events of the last hours, newest first,
            whether they were handed over or not. It marks, moves and stores nothing.
        protocols: The protocols of the providers that it takes, as for `outbound`.
        result_variable: What the templates' result variable starts with, so that a process has the whole event although
            nobody wrote a result expression.
        result_expression: What the templates' result expression starts with, such as `={subject: response.subject}`.
        event_fields: The names under which expressions see what an event has.
        documentation: Address of its documentation, as for `outbound`.
        libraries: Modules that it needs, as for `outbound`.

    Raises:
        DefinitionError: Something is wrong with the description; the message says what to change.
        ModuleNotFoundError: One of the libraries is missing.
    """
    _require(libraries)

    def describe(function: Callable[[Any, Any], AsyncIterator[Event]]) -> Inbound:
        where = f"@inbound({name!r})"
        if not inspect.isasyncgenfunction(function):
            raise DefinitionError(
                f"{where}: {_called(function)} must be an async generator: `async def` with `yield Event(...)`"
            )
        if preview is not None and not inspect.isasyncgenfunction(preview):
            raise DefinitionError(
                f"{where}: preview={_called(preview)} must be an async generator: `async def` with `yield Event(...)`"
            )
        model, _ = _signature(function, where, first="the source's settings")
        _check(where, name, type, model, groups, function.__module__)
        summary, details = _docstring(function, where)
        return Inbound(
            name=name,
            title=title,
            type=type,
            input=model,
            groups=tuple(groups),
            summary=summary,
            details=details,
            errors=dict(errors or {}),
            keywords=tuple(keywords),
            template=template,
            template_id=template_id or _template_id(function, name, type, "inbound."),
            template_version=template_version,
            icon=_icon(function, icon),
            module=function.__module__,
            watch=function,
            preview=preview,
            protocols=tuple(protocols),
            result_variable=result_variable,
            result_expression=result_expression,
            event_fields=tuple(event_fields),
            documentation=documentation,
            libraries=tuple(libraries),
        )

    return describe


def _require(libraries: Sequence[str]) -> None:
    for library in libraries:
        if find_spec(library) is None:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)


def _template_id(function: Callable[..., Any], name: str, kind: str, direction: str = "") -> str:
    """Returns a template's id in the author's own name space: that of the job type, or else of the package."""
    if function.__module__.startswith(_OWN):
        return f"io.github.zeebe-connectors.{direction}{name}.v1"
    *space, last = re.sub(r"[^A-Za-z0-9.:_-]", "-", kind).split(":")
    if not space:
        return f"{function.__module__.partition('.')[0]}.{direction}{name}.v1"
    return ".".join((*space, f"v{last}" if last.isdigit() else last))


def _called(function: Any) -> str:
    return getattr(function, "__qualname__", repr(function))


def _signature(function: Callable[..., Any], where: str, *, first: str) -> tuple[Any, Any]:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2:
        raise DefinitionError(
            f"{where}: {_called(function)} must take two arguments, {first} and the context; it takes {len(parameters)}"
        )
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{where}: an annotation of {_called(function)} cannot be read: {error}. Import it at the module's top, "
            "not under TYPE_CHECKING"
        ) from error
    model = hints.get(parameters[0].name)
    if model is None:
        raise DefinitionError(
            f"{where}: annotate {parameters[0].name!r} of {_called(function)} with the input model, a subclass of Model"
        )
    return model, hints.get("return", Any)


def _check(where: str, name: str, kind: str, model: Any, groups: Sequence[Group], module: str) -> None:
    if not NAME.match(name):
        raise DefinitionError(f"{where}: a name is lower-case words joined by dashes, such as 'my-service'")
    if not kind.strip():
        raise DefinitionError(f"{where}: give the job type, such as 'com.example:my-service:1'")
    for leaf in leaf_types(model):
        if not (isinstance(leaf, type) and issubclass(leaf, Model)):
            raise DefinitionError(
                f"{where}: the input must be a subclass of zeebe_connectors.Model, or a union of such with a "
                f"discriminator; it is {leaf!r}"
            )
    if not module.startswith(_OWN):  # ours are checked by their tests, and compiled with their first job
        compile_input(model)
    ids = [group.id for group in groups]
    if len(ids) != len(set(ids)):
        raise DefinitionError(f"{where}: two groups have the same id; give each its own")


def _docstring(function: Callable[..., Any], where: str) -> tuple[str, str]:
    text = inspect.getdoc(function)
    if not text:
        raise DefinitionError(
            f"{where}: {_called(function)} needs a docstring: its first line is the description in the Modeler, "
            "the rest the text of the page"
        )
    summary, _, details = text.partition("\n")
    return summary.strip(), details.strip()


def _icon(function: Callable[..., Any], file: str) -> Path | None:
    source = getattr(sys.modules.get(function.__module__), "__file__", None)
    path = Path(source).parent / file if source else None
    return path if path is not None and path.is_file() else None
