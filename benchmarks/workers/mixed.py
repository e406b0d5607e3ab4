"""Many connectors of one package that do the same mixed work, for `run.py`: `mixed:work0`, `mixed:work1` and so on.

A third of the jobs calls a web service that answers at once, a third one that takes 20 ms, and a third computes a while
with what it receives.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from zeebe_connectors import Context, Hint, Model, Outbound, outbound
from zeebe_connectors.web import Exchange, HttpRequest

ROUNDS = 100
"""Hashes of a job that computes."""


class Work(Model):
    """What a job is to do."""

    url: Annotated[str, Hint(label="URL")]
    """The web service."""
    number: Annotated[int, Hint(label="Number")]
    """Decides about the kind of work."""


async def _work(inputs: Work, context: Context) -> dict[str, Any]:
    """Does a job's work."""
    path = "/slow/20" if inputs.number % 3 == 1 else "/ok"
    response = await Exchange(context).call(HttpRequest("GET", inputs.url + path))
    digest = response.body
    if inputs.number % 3 == 2:
        for _ in range(ROUNDS):
            digest = hashlib.sha256(digest).digest()
    return {"status": response.status, "digest": digest.hex()}


def __getattr__(name: str) -> Outbound:
    """Returns the connector of a name such as `work7`."""
    number = name.removeprefix("work")
    if not number.isdigit():
        raise AttributeError(name)
    described = outbound(f"mixed-{number}", title=f"Mixed {number}", type=f"mixed:{number}", template=False)
    return described(_work)
