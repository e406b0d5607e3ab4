"""An engine in process whose clock stands still until a test moves it."""

from __future__ import annotations

import itertools
import json

import pytest

from zeebe_connectors.engine import Clock, Engine, Rejection, RejectionCode, SqliteStore

NOON = 1_780_000_000_000
AGES = 10**11  # a worker's time that no test outlasts


class Bench:
    """Drives an engine the way a client would, and says what came of it."""

    def __init__(self, store=None, clock=None) -> None:
        self.engine = Engine(store, clock or Clock(NOON))
        self._names = itertools.count(1)

    def deploy(self, *documents: bytes, name=None):
        named = [(name or f"{next(self._names)}.bpmn", content) for content in documents]
        return self.engine.deploy(named)

    def refused(self, document: bytes) -> str:
        with pytest.raises(Rejection) as caught:
            self.deploy(document)
        assert caught.value.code is RejectionCode.INVALID_ARGUMENT
        return caught.value.message

    def create(self, process="p", **variables) -> int:
        return self.engine.create_instance(process, variables=variables).key

    def jobs(self, kind, n=100, **more):
        return self.engine.activate_jobs(kind, max_jobs=n, **{"timeout_ms": AGES, **more})

    def job(self, kind):
        (job,) = self.jobs(kind, 1)
        return job

    def none(self, kind) -> bool:
        return self.jobs(kind) == []

    def do(self, kind, **variables):
        job = self.job(kind)
        self.engine.complete_job(job.key, variables)
        return json.loads(job.variables)

    def complete(self, job, **variables) -> None:
        self.engine.complete_job(job.key, variables)

    def publish(self, name, key="", *, ttl=0.0, message_id="", **variables) -> int:
        return self.engine.publish_message(
            name, key, variables=variables, ttl_ms=round(ttl * 1000), message_id=message_id
        )

    def advance(self, seconds: float) -> None:
        self.engine.advance(seconds)

    def fail(self, job, retries=0, message="broken", *, backoff=0.0, **variables) -> None:
        self.engine.fail_job(job.key, retries, message, backoff_ms=round(backoff * 1000), variables=variables)

    def throw(self, job, code, **variables) -> None:
        self.engine.throw_error(job.key, code, variables=variables)

    def broadcast(self, name, **variables) -> int:
        return self.engine.broadcast_signal(name, variables)

    def start_at(self, *elements, process="p", **variables) -> int:
        return self.engine.create_instance(process, variables=variables, start_at=elements).key

    def element(self, element_id: str) -> int:
        """The key of the only active instance of an element; of a multi-instance activity, its body."""
        found = [view for view in self.engine.queries.element_instances() if view.state == "ACTIVE"]
        return next(view.key for view in found if view.element_id == element_id)

    def active(self, key: int) -> bool:
        return key in self.engine.instances

    def ended(self, key: int) -> bool:
        return self.engine.queries.instance(key).state == "COMPLETED"

    def result(self, key: int) -> dict:
        """The variables of a completed instance."""
        assert self.ended(key), (self.engine.queries.instance(key), self.engine.queries.incidents())
        return {found.name: found.value for found in self.engine.queries.variables(key, key)}

    def run(self, process="p", **variables) -> dict:
        return self.result(self.create(process, **variables))

    def incident(self):
        """The only open incident."""
        (found,) = self.engine.queries.incidents()
        return found

    def resolve(self) -> None:
        key = self.incident().key
        self.engine.resolve_incident(key)

    def set(self, key: int, *, local=False, **variables) -> None:
        self.engine.set_variables(key, variables, local=local)

    def path(self, key: int) -> tuple[str, ...]:
        return self.engine.queries.instance(key).path

    def rejects(self, code: RejectionCode, command, *arguments, **more) -> str:
        with pytest.raises(Rejection) as caught:
            command(*arguments, **more)
        assert caught.value.code is code
        return caught.value.message


@pytest.fixture
def bench():
    return Bench()


class KilledBench(Bench):
    """An engine that is killed before each command, and goes on with what it had written.

    A restarted engine does not know those that have ended, so the bench remembers how each ended.
    """

    def __init__(self, path) -> None:
        self._path = path
        self._ended: dict[int, tuple[str, dict]] = {}
        super().__init__(SqliteStore(path))

    @property
    def engine(self):
        self._remember()
        self._engine.store._db.close()  # what was not written by now is gone, as with SIGKILL
        self._engine = Engine(SqliteStore(self._path), Clock(NOON))
        return self._engine

    @engine.setter
    def engine(self, engine) -> None:
        self._engine = engine

    def _remember(self) -> None:
        for process in self._engine.finished:
            self._ended.setdefault(process.key, (process.state.name, dict(process.root.variables or {})))

    def ended(self, key: int) -> bool:
        self._remember()
        return self._ended.get(key, ("ACTIVE",))[0] == "COMPLETED"

    def result(self, key: int) -> dict:
        assert self.ended(key), (self._ended.get(key), self._engine.queries.incidents())
        return self._ended[key][1]


@pytest.fixture(params=["in memory", "killed before each command"])
def both(request, tmp_path):
    """An engine in memory, and one whose state is read back from the disk before each command."""
    if request.param == "in memory":
        yield Bench()
        return
    bench = KilledBench(tmp_path / "engine.db")
    yield bench
    bench.engine.close()
