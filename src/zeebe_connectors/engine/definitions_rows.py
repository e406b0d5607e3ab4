"""Read deployed definitions back from the store."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine


class StoredDefinitions:
    """The definitions in a database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load(self, engine: Engine) -> None:
        """Put them into a new engine; only the newest versions of processes are read now, the others when needed."""
        from zeebe_connectors.engine.definitions import (  # noqa: PLC0415 - the rooms know the store
            Definition,
            Resource,
            StartTimer,
            Stored,
        )
        from zeebe_connectors.engine.timers import Schedule  # noqa: PLC0415 - as above

        definitions = engine.definitions
        resources = {row[0]: Resource(*row) for row in self._db.execute("SELECT * FROM resource")}
        newest: dict[str, Definition] = {}
        for key, identifier, version, resource in self._db.execute("SELECT * FROM definition ORDER BY key"):
            definition = Definition(key, identifier, version, resources[resource])
            definitions.add(definition, open_starts=False)
            newest[identifier] = definition
        for definition in newest.values():
            definitions.open_starts(definition)
        for key, data in self._db.execute("SELECT * FROM stored ORDER BY key"):
            kind, identifier, name, version, resource, parent_id, parent_key = json.loads(data)
            definitions.add_stored(
                Stored(key, kind, identifier, name, version, resources[resource], parent_id, parent_key)
            )
        for key, data in self._db.execute("SELECT * FROM start_timer ORDER BY key"):
            definition_key, event_id, schedule = json.loads(data)
            timer = StartTimer(key, definitions.by_key[definition_key], event_id, Schedule.load(schedule))
            definitions.restore_timer(timer)
