"""Describe inputs and result of a task on a CoAP resource: the form's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import Document, Group, Hint, Model, When
from zeebe_connectors.sdk.fields import RequiredSecret

GROUPS = (
    Group("operation", "Operation"),
    Group("server", "Server"),
    Group("authentication", "Authentication"),
    Group("resource", "Resource"),
    Group("content", "Content"),
    Group("delivery", "Delivery", open=False),
)
_WITH_CONTENT = ("put", "post")
_WITH_ANSWER = ("get", "put", "post", "delete")


class NoLogin(Model):
    """None."""

    type: Literal["none"] = "none"


class KeyLogin(Model):
    """Identity and key (PSK), for coaps."""

    type: Literal["psk"]
    identity: Annotated[str, Field(min_length=1), Hint(secrets=True, example="gateway-1")]
    """The name under which the server knows the key."""
    key: Annotated[RequiredSecret, Hint(placeholder="{{secrets.COAP_KEY}}")]
    """The shared key: text, or bytes as `hex:` and hexadecimal digits."""


class Request(Model):
    """What to ask of which resource."""

    operation: Annotated[
        Literal["get", "put", "post", "delete", "discover"],
        Hint(
            "operation",
            choices={
                "get": "GET: read",
                "put": "PUT: set",
                "post": "POST: process",
                "delete": "DELETE: remove",
                "discover": "Discover resources",
            },
            example="get",
        ),
    ]
    """The operation to carry out."""
    protocol: Annotated[
        Literal["coap", "coaps"],
        Hint("server", provider="protocol", choices={"coap": "coap (UDP)", "coaps": "coaps (DTLS with a shared key)"}),
    ] = "coap"
    """Whether it is encrypted."""
    host: Annotated[
        str,
        Field(min_length=1),
        Hint(
            "server", provider="host", secrets="whole", placeholder="sensor.example.com", example="sensor.example.com"
        ),
    ]
    """Name or address of the device."""
    port: Annotated[
        int | None, Field(ge=1, le=65535), Hint("server", provider="port", secrets="whole", placeholder="5683")
    ] = None
    """If empty, 5683, or 5684 with coaps."""
    authentication: Annotated[
        NoLogin | KeyLogin,
        Field(discriminator="type"),
        Hint(
            "authentication",
            "Type",
            provider="authentication",
            choices={"none": "None", "psk": "Identity and key (coaps)"},
        ),
    ] = NoLogin()
    """How to sign in."""
    path: Annotated[
        str, Hint("resource", when=When("operation", _WITH_ANSWER), placeholder="sensors/temperature", example="time")
    ] = ""
    """Path of the resource."""
    query: Annotated[dict[str, Any] | None, Hint("resource", secrets=True, placeholder='={unit: "C"}')] = None
    """Query as a context; with discover a filter, such as `={rt: "temperature*"}`."""
    content: Annotated[
        str | Document | dict[str, Any] | None,
        Field(union_mode="left_to_right"),
        Hint("content", feel="optional", text=True, when=When("operation", _WITH_CONTENT)),
    ] = None
    """What to send: text, a context, or a document. With JSON and CBOR, text is read as JSON, such as `20.5` or
    `true`. Large content is sent in blocks."""
    content_format: Annotated[
        Literal["text", "json", "cbor", "bytes"],
        Hint(
            "content",
            "Send as",
            when=When("operation", _WITH_CONTENT),
            choices={"json": "JSON", "cbor": "CBOR", "bytes": "Bytes (base64 or document)"},
        ),
    ] = "json"
    """The format of the content. A document is sent as it is."""
    accept: Annotated[
        Literal["any", "text", "json", "cbor", "bytes"],
        Hint(
            "content",
            when=When("operation", _WITH_ANSWER),
            choices={"json": "JSON", "cbor": "CBOR", "any": "What the server chooses"},
        ),
    ] = "any"
    """The format to ask for."""
    read_as: Annotated[
        Literal["auto", "text", "json", "cbor", "base64", "document"],
        Hint(
            "content",
            "Read as",
            when=When("operation", _WITH_ANSWER),
            choices={"auto": "As the answer says", "json": "JSON", "cbor": "CBOR"},
        ),
    ] = "auto"
    """How the answer arrives: CBOR and JSON as values, text as text, anything else as a document."""
    confirmable: Annotated[bool, Hint("delivery")] = True
    """Whether a request is repeated until the server has it. Without this, it may be lost unnoticed."""
    timeout: Annotated[float, Field(gt=0, le=600), Hint("delivery", "Timeout (seconds)")] = 30.0
    """Seconds within which the answer must arrive, repetitions included."""
    max_bytes: Annotated[int, Field(ge=1, le=50_000_000), Hint("delivery", "Maximum size (bytes)")] = 1_000_000
    """Maximum bytes of the answer; a larger one is an error."""


class Answer(Model):
    """What the server said."""

    code: str
    """The code, such as `2.05`."""
    body: Any = None
    """The content, unless it went to a document."""
    document: Document | None = None
    """The content, when it is neither text, JSON nor CBOR, or a document was asked for."""
    content_format: int | None = None
    """The number of its format."""
    size: int
    """Bytes of the content."""
    links: list[dict[str, Any]] | None = None
    """With discover: each resource with its `path` and attributes."""
    location: str | None = None
    """Where a POST created something."""
    etag: str | None = None
    """The version of the content, in hexadecimal digits."""
    max_age: int | None = None
    """Seconds for which the content is fresh."""
