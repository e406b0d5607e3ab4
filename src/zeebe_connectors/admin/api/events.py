"""Shows what the ledger knows of events, and carries out what an operator decides about those in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zeebe_connectors.runtime.ledger import Entry
from zeebe_connectors.runtime.ledger.protocol import State
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import InputError

ROWS = 50
MAX_SKIP = 10_000
MAX_CHOSEN = 500
STATES: tuple[State, ...] = ("quarantined", "retry", "done", "ignored")


async def events_shown(runtime: Runtime, query: Mapping[str, str]) -> dict[str, Any]:
    """Events of one state, the newest first.

    Args:
        runtime: Whose ledger.
        query: `state` (`quarantined` when left out), `source`, `skip` (how many newer ones are left out).

    Returns:
        `events`, 50 at most; `next`: what `skip` is for older ones, or None.
    """
    wanted = query.get("state") or "quarantined"
    if wanted not in STATES:
        raise InputError(f"state: must be one of {', '.join(STATES)}")
    text = query.get("skip", "")
    skip = min(int(text), MAX_SKIP) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    found = await runtime.ledger.entries(source=query.get("source") or None, state=wanted, limit=skip + ROWS + 1)
    more = len(found) > skip + ROWS and skip + ROWS <= MAX_SKIP
    return {
        "events": [event_shown(entry) for entry in found[skip : skip + ROWS]],
        "next": skip + ROWS if more else None,
    }


def event_shown(entry: Entry) -> dict[str, Any]:
    """One event, without its content."""
    return {
        "source": entry.source,
        "id": entry.id,
        "state": entry.state,
        "title": entry.title,
        "reason": entry.reason,
        "tries": entry.tries,
        "updated": entry.updated,
        "key": str(entry.key) if entry.key else None,
        "original": entry.has_original,
    }


def chosen(given: object) -> list[tuple[str, str]]:
    """Sources and ids of the events that somebody chose.

    Raises:
        InputError: It is no list of pairs, or too long.
    """
    pairs = given if isinstance(given, list) else []
    found = [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    if not found or len(found) != len(pairs) or not all(isinstance(text, str) for pair in found for text in pair):
        raise InputError("events: must be a list of pairs of source and id; choose one at least")
    if len(found) > MAX_CHOSEN:
        raise InputError(f"events: {MAX_CHOSEN} at most at once")
    return found


async def retry(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Lets quarantined events be tried again at their sources' next looks; says each one's result."""
    results = []
    for source, event in events:
        done = await runtime.ledger.retry(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results


async def forget(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Removes all that is known of quarantined events, their originals too; says each one's result."""
    results = []
    for source, event in events:
        known = await runtime.ledger.find(source, event)
        done = known is not None and known.state == "quarantined" and await runtime.ledger.forget(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results
