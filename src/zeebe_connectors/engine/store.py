"""Keep the engine's state, in memory only or in a SQLite file that survives a kill of the process.

Changes are written before a command is answered, in write-ahead mode and without waiting for the disk on each commit:
killing the process loses nothing; a power cut may lose the last moments, but leaves the file intact.
"""

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zeebe_connectors.engine.definitions import Definition, Resource, StartTimer, Stored
from zeebe_connectors.engine.flow.instances import ElementInstance
from zeebe_connectors.engine.incidents import Incident
from zeebe_connectors.engine.messages import Message
from zeebe_connectors.engine.payloads import to_json
from zeebe_connectors.engine.rows import RoundRows, dump_element, dump_rounds, load_elements
from zeebe_connectors.engine.schedules import Schedule

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine

V = TypeVar("V")
_FORMAT = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource(key INTEGER PRIMARY KEY, deployment INTEGER, name TEXT, content BLOB);
CREATE TABLE IF NOT EXISTS definition(key INTEGER PRIMARY KEY, id TEXT, version INTEGER, resource INTEGER);
CREATE TABLE IF NOT EXISTS stored(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS start_timer(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS element(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS round(body INTEGER, position INTEGER, data TEXT, PRIMARY KEY(body, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS incident(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS step(position INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER);
"""


class StoreError(Exception):
    """The state cannot be opened; the message says why and what to do."""


class Changes:
    """What changed since the last save; None stands for a deleted entry."""

    def __init__(self) -> None:
        self.elements: dict[int, ElementInstance | None] = {}
        self.ended_bodies: list[int] = []
        self.messages: dict[int, Message | None] = {}
        self.incidents: dict[int, Incident | None] = {}
        self.start_timers: dict[int, StartTimer | None] = {}
        self.resources: list[Resource] = []
        self.definitions: list[Definition] = []
        self.stored: list[Stored] = []
        self.clock = False

    def clear(self) -> None:
        """Forget the changes, which have been saved."""
        for changed in (self.elements, self.messages, self.incidents, self.start_timers):
            changed.clear()
        for added in (self.ended_bodies, self.resources, self.definitions, self.stored):
            added.clear()
        self.clock = False

    def __bool__(self) -> bool:
        return bool(
            self.elements
            or self.messages
            or self.incidents
            or self.start_timers
            or self.resources
            or self.definitions
            or self.stored
            or self.clock
        )


class Store(Protocol):
    """Where an engine keeps its state."""

    def load(self, engine: Engine) -> None:
        """Load the stored state into a new engine."""

    def save(self, engine: Engine) -> None:
        """Write what changed."""

    def close(self) -> None:
        """Close what is open."""


class MemoryStore:
    """Keeps nothing: the engine's state is in memory only."""

    def load(self, engine: Engine) -> None:
        """Do nothing: there is no stored state."""

    def save(self, engine: Engine) -> None:
        """Forget what changed."""
        engine.changes.clear()

    def close(self) -> None:
        """Do nothing."""


class SqliteStore:
    """Keeps the state in a SQLite file, which one engine at a time may have open.

    Args:
        path: The file; it and its directory are created if missing.
    """

    def __init__(self, path: Path | str) -> None:
        """Open the file.

        Raises:
            StoreError: Another engine has it open, or it is not an engine's file.
        """
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._steps: tuple[int, int] | None = (0, 0)  # the part of the queue that is stored; None: unknown
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=0.5)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"The state in {self.path} cannot be opened ({error}): does another engine use it?"
            ) from None
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path} is no state of an engine ({error}): use another file") from None

    def _prepare(self) -> None:
        """Takes the file for this engine alone, and makes the tables that it does not have."""
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _FORMAT}:
            raise StoreError(
                f"The state in {self.path} has the format {version}, this engine writes {_FORMAT}: use another file, "
                "or delete this one"
            )
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_FORMAT}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- writing

    def save(self, engine: Engine) -> None:
        """Write what changed in one transaction, together with the reserved keys."""
        changes = engine.changes
        steps = (engine.flow.taken, engine.flow.taken + len(engine.flow.queue))
        idle = steps[0] == steps[1] and self._steps is not None and self._steps[0] == self._steps[1]
        if not changes and idle:
            self._reserve(engine)
            return
        db = self._db
        db.execute("BEGIN")
        try:
            self._write(engine)
            self._write_steps(engine, *steps)
            self._reserve(engine)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        self._steps = steps
        changes.clear()

    def _reserve(self, engine: Engine) -> None:
        reserved = engine.keys.reserve()
        if reserved is not None:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES('next_key', ?)", (reserved,))

    def _write(self, engine: Engine) -> None:
        changes = engine.changes
        if changes.elements:
            self._write_elements(changes)
        if changes.messages:
            self._write_table("message", changes.messages, _dump_message)
        if changes.incidents:
            self._write_table("incident", changes.incidents, _dump_incident)
        if changes.start_timers:
            self._write_table("start_timer", changes.start_timers, _dump_start_timer)
        if changes.resources or changes.definitions or changes.stored:
            self._write_deployment(changes)
        if changes.clock:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES('clock_offset', ?)", (engine.clock.offset_ms,))

    def _write_elements(self, changes: Changes) -> None:
        db = self._db
        rows, gone, rounds = [], [], []
        for key, instance in changes.elements.items():
            if instance is None:
                gone.append((key,))
                continue
            instance.stored = True
            rows.append((key, to_json(dump_element(instance))))
            if instance.rounds is not None:
                new = dump_rounds(instance, instance.rounds)
                rounds += [(key, position, to_json(value)) for position, value in new]
        if rows:
            db.executemany("INSERT OR REPLACE INTO element VALUES(?,?)", rows)
        if gone:
            db.executemany("DELETE FROM element WHERE key=?", gone)
        if rounds:
            db.executemany("INSERT OR REPLACE INTO round VALUES(?,?,?)", rounds)
        if changes.ended_bodies:
            db.executemany("DELETE FROM round WHERE body=?", [(key,) for key in changes.ended_bodies])

    def _write_steps(self, engine: Engine, first: int, end: int) -> None:
        """Delete the steps that were done, and add those that are new: a long queue is not written in each slice."""
        stored_first, stored_end = self._steps or (0, 0)
        if self._steps is None:
            self._db.execute("DELETE FROM step")
        elif stored_first < min(first, stored_end):
            self._db.execute("DELETE FROM step WHERE position < ?", (first,))
        begin = max(first, stored_end)
        if begin < end:
            new = enumerate(islice(engine.flow.queue, begin - first, None), begin)
            rows = [
                (position, to_json([name, instance.key, argument]))
                for position, (name, instance, argument) in new
                if instance.key in engine.elements
            ]
            self._db.executemany("INSERT INTO step VALUES(?,?)", rows)

    def _write_table(self, table: str, changed: dict[int, V | None], dump: Callable[[V], list[Any]]) -> None:
        for key, value in changed.items():
            if value is None:
                self._db.execute(f"DELETE FROM {table} WHERE key=?", (key,))  # noqa: S608 - one of three names
            else:
                self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES(?,?)", (key, to_json(dump(value))))

    def _write_deployment(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT INTO resource VALUES(?,?,?,?)",
            [(found.key, found.deployment_key, found.name, found.content) for found in changes.resources],
        )
        self._db.executemany(
            "INSERT INTO definition VALUES(?,?,?,?)",
            [(found.key, found.bpmn_process_id, found.version, found.resource.key) for found in changes.definitions],
        )
        self._db.executemany(
            "INSERT INTO stored VALUES(?,?)", [(found.key, to_json(_dump_stored(found))) for found in changes.stored]
        )

    # --- reading

    def load(self, engine: Engine) -> None:
        """Load the stored state into a new engine."""
        meta = dict(self._db.execute("SELECT name, value FROM meta"))
        engine.identity = meta.get("identity", engine.identity)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES('identity', ?)", (engine.identity,))
        if "next_key" in meta:
            engine.keys = type(engine.keys)(meta["next_key"])
        engine.clock.offset_ms = max(engine.clock.offset_ms, meta.get("clock_offset", 0))
        self._load_definitions(engine)
        for key, data in self._rows("message"):
            engine.messages.restore(_load_message(key, data))
        collecting = gc.isenabled()
        gc.disable()  # many objects are created and none discarded: garbage collection would double the time
        try:
            load_elements(engine, self._rows("element"), self._load_rounds())
        finally:
            if collecting:
                gc.enable()
        for key, data in self._rows("incident"):
            instance = engine.elements.get(data[0])
            if instance is not None:
                engine.incidents.restore(_load_incident(key, data, instance))
        for _, (name, key, argument) in self._rows("step"):
            instance = engine.elements.get(key)
            if instance is not None:
                engine.flow.do(name, instance, argument)
            self._steps = None  # they have other positions now
        engine.changes.clear()

    def _load_definitions(self, engine: Engine) -> None:
        """Load the definitions; only the newest versions of processes are parsed now, the others on demand."""
        definitions = engine.definitions
        resources = {row[0]: Resource(*row) for row in self._db.execute("SELECT * FROM resource")}
        newest: dict[str, Definition] = {}
        for key, identifier, version, resource in self._db.execute("SELECT * FROM definition ORDER BY key"):
            definition = Definition(key, identifier, version, resources[resource])
            definitions.add(definition, open_starts=False)
            newest[identifier] = definition
        for definition in newest.values():
            definitions.open_starts(definition)
        for key, data in self._rows("stored"):
            kind, identifier, name, version, resource, parent_id, parent_key = data
            definitions.add_stored(
                Stored(key, kind, identifier, name, version, resources[resource], parent_id, parent_key)
            )
        for key, data in self._rows("start_timer"):
            definition_key, event_id, schedule = data
            timer = StartTimer(key, definitions.by_key[definition_key], event_id, Schedule.load(schedule))
            definitions.restore_timer(timer)

    def _load_rounds(self) -> RoundRows:
        found: RoundRows = {}
        for body, position, data in self._db.execute("SELECT * FROM round"):
            found.setdefault(body, {})[position] = json.loads(data)
        return found

    def _rows(self, table: str) -> Iterator[tuple[int, Any]]:
        for key, data in self._db.execute(f"SELECT * FROM {table} ORDER BY 1"):  # noqa: S608 - one of our names
            yield key, json.loads(data)


def _dump_message(message: Message) -> list[Any]:
    return [message.name, message.correlation_key, message.message_id, message.until_ms, message.variables,
            sorted(message.seen)]  # fmt: skip


def _load_message(key: int, data: list[Any]) -> Message:
    message = Message(key, *data[:5])
    message.seen = set(data[5])
    return message


def _dump_incident(incident: Incident) -> list[Any]:
    return [incident.instance.key, incident.kind, incident.message, incident.job_key, incident.created_ms]


def _load_incident(key: int, data: list[Any], instance: ElementInstance) -> Incident:
    _, kind, message, job_key, created = data
    return Incident(key, kind, message, instance, job_key, created)


def _dump_stored(stored: Stored) -> list[Any]:
    return [stored.kind, stored.id, stored.name, stored.version, stored.resource.key, stored.parent_id,
            stored.parent_key]  # fmt: skip


def _dump_start_timer(timer: StartTimer) -> list[Any]:
    return [timer.definition.key, timer.event_id, timer.schedule.dump()]
