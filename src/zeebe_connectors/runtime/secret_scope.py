"""Decide where in a job's inputs secrets resolve, and report placeholders that are not resolved."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from zeebe_connectors.config.secrets import Places, Unresolved
from zeebe_connectors.config.settings import Scope
from zeebe_connectors.runtime.diagrams import Element
from zeebe_connectors.sdk.connector import Description
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.secret_places import SecretPlaces
from zeebe_connectors.sdk.text import items_of

SECRET_FIELDS = "secretFields"  # noqa: S105 - a header's name
"""Header that names further inputs (comma-separated) where placeholders resolve if the diagram is unknown."""
EVERYWHERE = SecretPlaces(everywhere=True)
_NAME = re.compile(r"[^\W\d][\w-]*")
_MAX_LOGGED = 10_000
_log = logging.getLogger("zeebe_connectors.secrets")


def check_secret_fields(headers: Mapping[str, str]) -> None:
    """Checks a task's header `secretFields` before anything happens.

    Raises:
        InputError: It is not a list of names.
    """
    for name in items_of(headers.get(SECRET_FIELDS, "")):
        if not _NAME.fullmatch(name):
            raise InputError(
                f"The task's header {SECRET_FIELDS} must be names of inputs separated by commas, such as body, "
                f"headers; {_printable(name)} is not a name"
            )


class SecretScope:
    """The operator's rules about placeholders.

    Args:
        mode: `diagram`: those that the modeler wrote into the element's own input mappings, or by place if the
            diagram is unknown. `fields`: by place. `secrets-only`: only inputs of type `Secret`. `everywhere`.
        unresolved: The consequence of an unresolved placeholder: a warning for each element, or an incident.
    """

    def __init__(self, mode: Scope = "diagram", unresolved: Literal["warn", "incident"] = "warn") -> None:
        self.mode = mode
        self.by_diagram = mode == "diagram"
        """Whether the diagram must be read."""
        self._unresolved = unresolved
        self._logged: OrderedDict[tuple[str, str], None] = OrderedDict()

    def places(self, connector: Description, job: Job, element: Element | None) -> Places:
        """Returns where placeholders resolve in a job's inputs.

        Args:
            connector: The connector whose inputs these are.
            job: The job, whose headers may name further inputs.
            element: Its element in the diagram; None if the diagram is unknown.
        """
        if self.mode == "everywhere":
            return EVERYWHERE
        if self.by_diagram and element is not None:
            return element.place
        places = connector.secret_inputs if self.mode == "secrets-only" else connector.secret_places
        more = dict.fromkeys(items_of(job.headers.get(SECRET_FIELDS, "")), EVERYWHERE)
        if not more:
            return places
        return places.merged(SecretPlaces(below=more))

    def report(self, job: Job, unresolved: Sequence[Unresolved], element: Element | None) -> None:
        """Reports unresolved placeholders of a job: see `report_at`.

        Raises:
            InputError: `SECRET_NOT_RESOLVED`, if the operator wants an incident.
        """
        self.report_at(job.bpmn_process_id, job.element_id, unresolved, lambda: self._remedy(element))

    def report_at(
        self, process: str, element: str, unresolved: Sequence[Unresolved], remedy: Callable[[], str]
    ) -> None:
        """Reports unresolved placeholders: in the log, once for each element, or as an incident.

        Args:
            process: BPMN process id.
            element: Id of the element, or name of the source.
            unresolved: What stays as text.
            remedy: Makes the sentence about those that are written as they should be.

        Raises:
            InputError: `SECRET_NOT_RESOLVED`, if the operator wants an incident.
        """
        if not unresolved:
            return
        right = _shown(one for one in unresolved if not one.is_slip)
        slips = _shown(one for one in unresolved if one.is_slip)
        text = f"Placeholders of secrets are not resolved and stay as text: {right}. {remedy()}" if right else ""
        if slips:
            text += (" " if text else "") + (
                f"This looks like a secret's placeholder but stays as text: {slips}. If it is meant, write "
                "{{secrets.NAME}}: small letters, two braces on both sides, no blank inside the name"
            )
        if self._unresolved == "incident":
            raise InputError(text, code="SECRET_NOT_RESOLVED")
        key = (process, element)
        if key in self._logged:
            return
        self._logged[key] = None
        if len(self._logged) > _MAX_LOGGED:
            self._logged.popitem(last=False)
        _log.warning("%s/%s: %s", *key, text)

    def _remedy(self, element: Element | None) -> str:
        if self.by_diagram and element is not None:
            return (
                "The task's own input mapping for that input does not hold them, so they may have come from outside. "
                "If they are meant, write {{secrets.NAME}} into that mapping itself"
            )
        if self.mode == "secrets-only":
            return "Only inputs made for secrets resolve them (ZEEBE_CONNECTORS_SECRETS_SCOPE is secrets-only)"
        remedy = f"If they are meant, name the input in the task's header {SECRET_FIELDS} (a URL, host or port may "
        remedy += "only be a placeholder as a whole)"
        if self.by_diagram:
            remedy += ", or set CAMUNDA_CLIENT_REST_ADDRESS, so that the diagram decides"
        return remedy


def _shown(unresolved: Iterable[Unresolved]) -> str:
    return ", ".join(dict.fromkeys(f"{_printable(one.name)} in {_printable(one.field)}" for one in unresolved))


def _printable(text: str) -> str:
    """Makes text from outside safe for one line of a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
