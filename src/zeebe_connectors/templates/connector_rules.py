"""Check a connector's description by the rules of this project's own connectors: what is seen without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.connector import DefinitionError, Inbound, Outbound
from zeebe_connectors.sdk.docstrings import described_fields
from zeebe_connectors.sdk.fields import Hint, Secret, hint_of
from zeebe_connectors.templates.element_template import ICON_LIMIT, icon_url, templates_of
from zeebe_connectors.templates.form import form_of
from zeebe_connectors.templates.rules import broken_rules

_JOB_TYPE = re.compile(r"^[A-Za-z][A-Za-z0-9._-]*(:[A-Za-z0-9._-]+)+$")
_ERROR_CODE = re.compile(r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$")
_ADDRESS = frozenset({"url", "host", "hostname", "port"})
_CREDENTIAL = re.compile(r"(password|passphrase|secret|apikey|privatekey|token)$", re.IGNORECASE)
_OURS = ("io.github.zeebe-connectors", "io.camunda")
_MIN_MEANING = 10


def broken_connector_rules(connector: Outbound | Inbound) -> list[str]:
    """Lists what is wrong with a connector's names, groups, defaults, texts and templates; empty if all is well.

    Args:
        connector: What `@outbound` or `@inbound` gave.
    """
    try:
        form_of(connector)  # for those without a template
        templates = templates_of(connector)
    except DefinitionError as error:
        return [str(error)]
    return [
        *_names(connector),
        *_errors(connector),
        *(found for model in connector.models for found in _fields(model, "", set(), secrets=False)),
        *_icon(connector),
        *(f"template {name}: {found}" for name, template in templates.items() for found in broken_rules(template)),
    ]


def _names(connector: Outbound | Inbound) -> Iterator[str]:
    if not _JOB_TYPE.match(connector.type):
        yield f"type: {connector.type!r} has no name space; write it like com.example:{connector.name}:1"
    if not connector.is_own:
        for what, text in (("type", connector.type), ("template_id", connector.template_id)):
            if text.startswith(_OURS):
                yield f"{what}: {text!r} is in the name space of another project; choose one of your own"


def _errors(connector: Outbound | Inbound) -> Iterator[str]:
    if not connector.errors:
        yield "errors: name the codes that the connector raises, each with what it means and what to do"
    for code, meaning in connector.errors.items():
        if not connector.is_own and not _ERROR_CODE.match(code):
            like = f"{connector.name.upper().replace('-', '_')}_NOT_FOUND"
            yield f"errors: {code!r} is not an error code; write it like {like}"
        if len(meaning) <= _MIN_MEANING:
            yield f"errors: {code} needs a sentence: what it means and what to do"


def _fields(model: Any, path: str, seen: set[Any], *, secrets: bool) -> Iterator[str]:
    """Checks that every field has a description, a valid default, and secrets where it may need them."""
    if model in seen:
        return
    seen.add(model)
    for name, info in described_fields(model).items():
        wire = f"{path}{info.alias or name}"
        hint: Hint = hint_of(info)
        kinds = leaf_types(info.annotation)
        nested = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        secret = secrets or bool(hint.secrets)
        if not info.description and not hint.hidden and not nested and not any(map(literals, kinds)):
            yield f"{wire}: has no description; write a docstring below the field"
        if name in _ADDRESS and (name != "port" or int in kinds) and not secret and Secret not in kinds:
            yield f'{wire}: says where something is sent; give it Hint(secrets="whole")'
        if _CREDENTIAL.search(name.replace("_", "")) and str in kinds and not secret and hint.feel != "required":
            yield f"{wire}: holds a credential; make it a Secret"
        if hint.example is not None and (reason := _invalid(info, hint.example)):
            yield f"{wire}: its example is not valid: {reason}"
        default = info.default if info.default_factory is None and not info.is_required() else None
        if default and (reason := _invalid(info, default)):
            yield f"{wire}: its default is not valid: {reason}"
        for kind in nested:
            yield from _fields(kind, f"{wire}.", seen, secrets=secret)


def _invalid(info: Any, value: Any) -> str:
    annotation = info.annotation
    for metadata in info.metadata:
        annotation = Annotated[annotation, metadata]
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        return str(error.errors(include_url=False, include_input=False)[0]["msg"])
    return ""


def _icon(connector: Outbound | Inbound) -> Iterator[str]:
    if not connector.template:
        return
    if connector.icon is None:
        yield f"icon: is missing; put an icon.svg beside the module, of at most {ICON_LIMIT} bytes as a data URL"
        return
    try:
        icon_url(connector.icon)
    except DefinitionError as error:
        yield f"icon: {error}"
