"""Describe input fields: hints for forms, secrets, and validation with one teachable error.

A connector's inputs are one `Model`. Its field types and defaults give validation, its docstrings give the
descriptions and its `Hint`s the form. Wire names are camelCase (`read_timeout` is `readTimeout` in the diagram).
Binding is as lenient as the official runtime's, because templates send text for numbers, empty text for what was left
out and one value where a list is meant.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.leniency import ABSENT, is_empty, readers_of
from zeebe_connectors.sdk.text import sendable_value

_FINGERPRINT_KEY = secrets.token_bytes(32)  # per process: a fingerprint cannot be looked up or compared elsewhere


@dataclass(frozen=True, slots=True)
class When:
    """A field is shown only while another has one of these values.

    Args:
        field: Python name of a field of the same model (or dotted from the top).
        values: The values that show it.
    """

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """How one input field looks in the Modeler and on the page; validation comes from the type.

    Args:
        group: Id of the group in the form; a nested model's fields inherit its field's group.
        label: Short name in the form; derived from the field name when left out.
        feel: Whether the Modeler offers (`optional`), demands (`required`), statically types (`static`) or does not
            offer (`none`) a FEEL expression; derived from the type when left out.
        text: Several lines.
        placeholder: Grey example inside the empty field.
        tooltip: Longer help behind the field's name.
        choices: Label of each allowed value, for a `Literal` field.
        when: Condition under which the field is shown.
        secrets: `{{secrets.NAME}}` placeholders resolve in this field (and all below it) although the diagram is not
            known. A `Secret` always does. `whole`: only as the whole value; for every URL, host and port, where text
            from outside could otherwise have a secret sent to an address of its choice.
        hidden: Not in the form (accepted from other templates only).
        form_default: Text that the form starts with, when it is to differ from the model's default.
        language: Editor language of a text field, such as `json`.
        example: Value shown on the page and used to try the template; must be valid.
        setting: Name of a setting by which the operator decides for all tasks that do not give this (top-level) input.
        provider: Dotted place in a provider's environment from which the input is filled when the task names one:
            `url`, `host`, `port`, `security`, `protocol`, `authentication` or a part of it, `tls` or a part of it. What
            stands under `options.` is a default; everything else is the provider's alone.
    """

    group: str | None = None
    label: str | None = None
    feel: Literal["optional", "required", "static", "none"] | None = None
    text: bool = False
    placeholder: str | None = None
    tooltip: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    when: When | None = None
    secrets: bool | Literal["whole"] = False
    hidden: bool = False
    form_default: str | None = None
    language: str | None = None
    example: Any = None
    setting: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """What a field's text looks like, for the form, which marks what does not; stands beside the type.

    Args:
        pattern: A regular expression for the whole text, which browsers and Python read alike.
        message: What the form says of other text.
    """

    pattern: str
    message: str


URL = Format(r"\s*[hH][tT][tT][pP][sS]?://\S[\s\S]*", "must begin with http:// or https://")
DURATION = Format(
    r"\s*[pP](?=\d|[tT]\d)(\d+[dD])?([tT](?=\d)(\d+[hH])?(\d+[mM])?(\d+(\.\d+)?[sS])?)?\s*",
    "must be an ISO 8601 duration such as PT30S, PT5M or P1D",
)


class Secret:
    """A value that is never printed: `repr`, `str` and formatting show `***`.

    Use `reveal()` at the last moment. Two secrets are equal when their values are; a secret never equals plain text.
    """

    __slots__ = ("_digest", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest: bytes | None = None

    def reveal(self) -> str:
        """Returns the value itself, for the call that needs it."""
        return self._value

    def fingerprint(self) -> bytes:
        """Returns a keyed digest, equal for equal values within this process; safe to keep in a cache key."""
        if self._digest is None:  # a key of the client cache is hashed several times for each job
            self._digest = hashlib.blake2b(self._value.encode(), digest_size=32, key=_FINGERPRINT_KEY).digest()
        return self._digest

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    @classmethod
    def _from_text(cls, value: str, info: core_schema.ValidationInfo) -> Self:
        if info.context is not None:
            info.context(value)
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accepts text or a number; returns a `Secret`. A validation context, if given, is called with each value."""
        text = core_schema.str_schema(coerce_numbers_to_str=True)
        from_text = core_schema.with_info_after_validator_function(cls._from_text, text)
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***"),
        )


def _not_empty(secret: Secret) -> Secret:
    if not secret.reveal().strip():
        raise ValueError("must not be empty; fill it in")
    return secret


RequiredSecret = Annotated[Secret, AfterValidator(_not_empty)]
"""A secret that must be filled in."""


class Model(BaseModel):
    """Inputs or outputs of a connector; subclass it and write fields with docstrings below them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,  # a validator is compiled with the first job that needs it
        extra="ignore",
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        frozen=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yields what is printed: nothing of a field where a secret may stand."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            yield name, _Hidden() if name in fields and hint_of(fields[name]).secrets else value

    @model_validator(mode="before")
    @classmethod
    def _lenient(cls, data: Any) -> Any:
        """Reads what forms send for nothing, truth values, choices and lists of one as it is meant."""
        if not isinstance(data, dict):
            return data
        changed = data
        readers = readers_of(cls)
        for name, value in data.items():
            reader = readers.get(name)
            if reader is not None:
                if type(value) is str:
                    if value in reader.exact or (reader.takes_text and value.strip()):
                        continue  # which spares most fields of most jobs a call
                elif reader.tags and type(value) is dict and value.get(reader.tag) in reader.tags:
                    continue
                meant = reader(value)
                if meant is not value:
                    if changed is data:
                        changed = dict(data)
                    if meant is ABSENT:
                        del changed[name]
                    else:
                        changed[name] = meant
        return changed


class _Hidden:
    """Stands for a value that is not printed."""

    def __repr__(self) -> str:
        return "***"


ModelT = TypeVar("ModelT")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def compile_input(kind: Any) -> None:
    """Compiles a model's validator now, so that what is wrong with its types is said before the first job.

    Raises:
        PydanticUserError: A field's type cannot be validated; the message names it.
    """
    _adapter(kind).rebuild()


def read_input(kind: type[ModelT], data: Mapping[str, Any], *, seen: Callable[[str], None] | None = None) -> ModelT:
    """Validates raw inputs against a model (or a discriminated union of models).

    Args:
        kind: The model.
        data: Values by wire name.
        seen: Called with the value of every `Secret`, so that it can be masked.

    Raises:
        InputError: One line per wrong field: its name in the diagram, what is wrong, what is expected. Values are never
            part of it.
    """
    try:
        model: ModelT = _adapter(kind).validate_python(data, context=seen)  # type: ignore[arg-type]
    except ValidationError as error:
        kinds = {item["type"] for item in error.errors(include_url=False, include_context=False, include_input=False)}
        # A text with a minimum length cannot hold half characters, while other texts can.
        if "string_unicode" in kinds and (whole := sendable_value(data)) != data:
            return read_input(kind, whole, seen=seen)
        raise InputError(explain(error, kind, data)) from None
    return model


def explain(error: ValidationError, kind: Any = None, data: Any = None) -> str:
    """Says for people what is wrong with inputs: field, reason and remedy, without any value.

    Args:
        error: What pydantic raised.
        kind: The model that was validated; tells the tags of unions from the names of fields.
        data: What was validated; tells the position that a list's item has there, counted from 1.
    """
    reasons: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_context=True, include_input=False):
        path = ".".join(_with_positions(_field_path(item["loc"], kind), data)) or "the inputs"
        reason = _reason(item)
        if reason not in reasons.setdefault(path, []):
            reasons[path].append(reason)
    # A list that may also be one text fails as both; what is wrong with an item says it better.
    shown = {
        path: found for path, found in reasons.items() if not any(other.startswith(f"{path}.") for other in reasons)
    }
    lines = [f"{path}: {_either(found)}" for path, found in shown.items()]
    if len(lines) == 1:
        return f"Invalid input: {lines[0]}"
    return "Invalid input:\n" + "\n".join(f" - {line}" for line in lines)


COMMON_REASONS = {
    "missing": "is required; fill it in",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}
"""By the validator's kind of error: what is wrong, in words that fit a form's field and a file's line alike."""
_REASONS = {
    **COMMON_REASONS,
    "string_too_short": "must not be empty; fill it in",
    "too_short": "must not be empty; fill it in",
    "string_type": "must be text",
    "is_instance_of": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a context (key-value pairs), for example ={name: value}",
    "model_attributes_type": "must be a context (key-value pairs)",
    "model_type": "must be a context (key-value pairs)",
    "union_tag_not_found": "lacks the field that tells its kind",
}


def _reason(item: Any) -> str:
    kind = item["type"]
    context = item.get("ctx") or {}
    if kind in {"value_error", "assertion_error"}:
        return str(context.get("error", item["msg"]))
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "union_tag_invalid":
        return f"its field {context['discriminator']} must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"needs the field {context['discriminator']}, which tells its kind"
    known = _REASONS.get(kind)
    if known and not (kind in {"string_too_short", "too_short"} and context.get("min_length", 1) > 1):
        return known
    text: str = item["msg"]
    return text[:1].lower() + text[1:]


def _either(reasons: list[str]) -> str:
    """Returns one reason of the several that the members of a union gave."""
    if empty := next((reason for reason in reasons if reason.startswith("must not be empty")), None):
        return empty  # that it is of another type than some member wants is no fault of it
    if len(reasons) == 1 or not all(reason.startswith("must be ") for reason in reasons):
        return "; ".join(reasons)
    *first, last = (reason.removeprefix("must be ") for reason in reasons)
    return f"must be {', '.join(first)} or {last}"


def _with_positions(path: list[str | int], data: Any) -> list[str]:
    """Writes a field's path with the positions of its items in the list as it was sent, counted from 1."""
    found = []
    for part in path:
        if isinstance(part, str):
            found.append(part)
            data = data.get(part) if isinstance(data, Mapping) else None
        elif isinstance(data, list):
            filled = [index for index, item in enumerate(data) if not is_empty(item)]
            index = part if len(filled) == len(data) or part >= len(filled) else filled[part]
            found.append(str(index + 1))
            data = data[index] if index < len(data) else None
        elif data is None:
            found.append(str(part + 1))
    return found


_TYPE_TAGS = {"str", "int", "float", "bool", "none"}


def _field_path(location: tuple[int | str, ...], kind: Any) -> list[str | int]:
    """Pydantic's location without the tags of union members, which the modeler does not know."""
    path: list[str | int] = []
    kinds = leaf_types(kind)
    for part in location:
        models = [item for item in kinds if isinstance(item, type) and issubclass(item, BaseModel)]
        fields = [info for model in models for name, info in model.model_fields.items() if part in {info.alias, name}]
        if not fields:
            tags = {value for model in models for info in model.model_fields.values() for value in _tags(info)}
            if part in tags or (isinstance(part, str) and _is_tag(part)):
                continue
        path.append(part)
        inner = [info.annotation for info in fields] or [arg for item in kinds for arg in get_args(item)]
        kinds = [leaf for annotation in inner for leaf in leaf_types(annotation)]
    return path


def _is_tag(part: str) -> bool:
    """Returns whether pydantic names a union's member so, by its type: `str`, `constrained-str`, `list[str]`."""
    return part in _TYPE_TAGS or part.startswith("constrained-") or part[:1].isupper() or "[" in part


def _tags(info: Any) -> list[Any]:
    return [value for leaf in leaf_types(info.annotation) for value in literals(leaf)]


def wire_names(kind: Any) -> list[str]:
    """Returns the top-level variable names that a model, or any member of a union of models, reads."""
    names: dict[str, None] = {}
    for leaf in leaf_types(kind):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                names[info.alias or name] = None
    return list(names)


def settings_of(kind: Any) -> dict[str, tuple[str, Any]]:
    """Returns the inputs that an operator may decide: by wire name, the setting's name and the field's type."""
    return {
        info.alias or name: (setting, info.annotation)
        for leaf in leaf_types(kind)
        if isinstance(leaf, type) and issubclass(leaf, BaseModel)
        for name, info in leaf.model_fields.items()
        if (setting := hint_of(info).setting)
    }


def hint_of(info: Any) -> Hint:
    """Returns the `Hint` of a pydantic field, or an empty one."""
    return next((item for item in info.metadata if isinstance(item, Hint)), Hint())
