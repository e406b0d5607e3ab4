"""Describe the results of the email task."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from pydantic import Field

from zeebe_connectors import Model


class SentMail(Model):
    """What became of a mail that was sent."""

    subject: str
    """The subject."""
    sent: bool
    """Always true: a refused mail is an error. For the action send."""
    message_id: str
    """The mail's Message-ID, with angle brackets."""
    accepted: list[str]
    """Addresses that the server accepted. For the action send."""
    reply: str
    """The server's last words, often with its queue id. For the action send."""


class ReadMail(Model):
    """A mail."""

    message_id: str | None
    """Its Message-ID, as written in the header."""
    from_address: str | None
    """The address of the first sender."""
    subject: str | None
    """The subject; null without such a header."""
    size: int
    """Bytes."""
    plain_text_body: str | None
    """The text."""
    html_body: str | None
    """The HTML."""
    headers: list[dict[str, str]]
    """All headers as `key` and `value`, in order, including those that occur several times."""
    attachments: list[dict[str, Any]]
    """The attachments, as document references."""
    received_date_time: str | None
    """When the server got it, in UTC, such as `2026-11-25T09:30:00Z`."""
    errors: list[str]
    """Always empty: an attachment that cannot be stored is an error."""
    from_name: str | None
    """The first sender's name."""
    to: list[dict[str, str]]
    """Recipients, with `name` and `address`; for the action move the folder that the mail went to, as given."""
    cc: list[dict[str, str]]
    """Who received a copy."""
    reply_to: list[dict[str, str]]
    """Where replies go, if not to the sender."""
    date: str | None
    """When it was sent, in UTC."""
    in_reply_to: str | None
    """The Message-ID of the mail that it answers."""
    references: list[str]
    """The Message-IDs of its conversation."""
    text: str
    """The text, or what a reader of the HTML sees when there is none."""
    calendar: str | None
    """An invitation, in iCalendar."""
    inline_parts: list[dict[str, Any]]
    """What the HTML shows, with `contentId` and `document`."""
    warnings: list[str]
    """What was broken in it, or cut."""


class DeletedMail(Model):
    """A mail that is gone."""

    message_id: str
    deleted: bool
    """Always true. For the action delete."""


class MovedMail(Model):
    """A mail that has another place."""

    message_id: str
    from_folder: Annotated[str, Field(alias="from")]
    """The folder that it came from, as given. For the action move."""
    to_folder: Annotated[str, Field(alias="to")]


class ListedMail(TypedDict):
    """One mail of a list; a context and no model, since a result may hold thousands."""

    messageId: str | None
    fromAddress: str | None
    subject: str | None
    size: int


class FoundMail(TypedDict):
    """One mail that fits."""

    messageId: str | None
    subject: str | None
