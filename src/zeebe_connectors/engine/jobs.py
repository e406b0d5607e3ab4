"""Keep jobs: offer them to workers that poll or stream, and accept the workers' answers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from zeebe_connectors.engine.flow.instances import ElementInstance
from zeebe_connectors.engine.flow.variables import Visible, set_variables
from zeebe_connectors.engine.happenings import HappeningKind
from zeebe_connectors.engine.incidents import JOB_NO_RETRIES, MESSAGE_SIZE, UNHANDLED_ERROR
from zeebe_connectors.engine.key_queue import KeyQueue
from zeebe_connectors.engine.payloads import to_json
from zeebe_connectors.engine.rejections import Rejection, RejectionCode, invalid, rejected

if TYPE_CHECKING:
    from zeebe_connectors.engine.core import Engine

MAX_ANSWER_BYTES = 4 * 1024 * 1024
_MAX_TIMEOUT_MS = 10**15  # 30,000 years, which a 64-bit deadline can express
_WORTH_SHARING = 64  # entries of a list or context
_MAX_SHARED_TEXTS = 8
_MAX_SHARED_TEXT = 512 * 1024
_ROOM_FOR_THE_REST = 16 * 1024  # bytes of an answer besides the jobs' variables and headers


class JobState(IntEnum):
    """The states of a job."""

    ACTIVATABLE = 0
    ACTIVATED = 1
    FAILED = 2
    ERROR_THROWN = 3


class Job:
    """A piece of work for a worker.

    Attributes:
        instance: The element that waits for it.
        deadline_ms: When the worker's time, or the back-off, ends.
        backing_off: Whether it failed and waits for its next try.
    """

    __slots__ = (
        "backing_off", "deadline_ms", "error_message", "headers", "instance", "key", "retries", "state", "type",
        "worker",
    )  # fmt: skip

    def __init__(self, key: int, instance: ElementInstance, kind: str, retries: int, headers: dict[str, str]) -> None:
        self.key = key
        self.instance = instance
        self.type = kind
        self.retries = retries
        self.headers = headers
        self.state = JobState.ACTIVATABLE
        self.deadline_ms = 0
        self.backing_off = False
        self.worker = ""
        self.error_message = ""


class ActivatedJob(NamedTuple):
    """A job as a worker gets it; `variables` and `headers` are JSON texts."""

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    headers: str
    worker: str
    retries: int
    deadline_ms: int
    variables: str

    @property
    def size(self) -> int:
        """Its approximate size in an answer, in bytes."""
        return len(self.variables) + len(self.headers) + len(self.type) + 256


class Stream:
    """A worker's open stream of jobs of one type.

    Args:
        push: Takes a job that was activated for the stream; False: it has no room, so the job is offered elsewhere.
    """

    def __init__(
        self, kind: str, worker: str, timeout_ms: int, fetch: Sequence[str], has_room: Callable[[], bool],
        push: Callable[[ActivatedJob], None],
    ) -> None:  # fmt: skip
        self.type = kind
        self.worker = worker
        self.timeout_ms = timeout_ms
        self.fetch = tuple(fetch)
        self.has_room = has_room
        self.push = push


class _Texts:
    """Writes the variables of jobs as JSON; a large value that one job after the other sees is written once.

    The jobs of a multi-instance activity all see its collections, whose sizes would otherwise count squared.
    """

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: OrderedDict[int, tuple[Any, str]] = OrderedDict()  # by identity, with the value that has it

    def write(self, variables: dict[str, Any]) -> str:
        """Return the variables as a JSON object."""
        for value in variables.values():
            if (type(value) is list or type(value) is dict) and len(value) > _WORTH_SHARING:
                members = [f"{to_json(name)}:{self._value(value)}" for name, value in variables.items()]
                return f"{{{','.join(members)}}}"
        return to_json(variables)

    def _value(self, value: Any) -> str:
        if type(value) not in {list, dict} or len(value) <= _WORTH_SHARING:
            return to_json(value)
        found = self._texts.get(id(value))  # a variable's value is never changed, only replaced
        if found is not None:
            return found[1]
        text = to_json(value)
        if len(text) <= _MAX_SHARED_TEXT:
            self._texts[id(value)] = (value, text)
            if len(self._texts) > _MAX_SHARED_TEXTS:
                self._texts.popitem(last=False)
        return text


class Jobs:
    """All jobs of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.by_key: dict[int, Job] = {}
        self._activatable: defaultdict[str, KeyQueue[Job]] = defaultdict(KeyQueue)
        self._streams: defaultdict[str, deque[Stream]] = defaultdict(deque)
        self._texts = _Texts()
        self.on_activatable: Callable[[str], None] = lambda _: None

    # --- their life

    def create(self, instance: ElementInstance, kind: str, retries: int, headers: dict[str, str]) -> None:
        """Create a job for an element, and offer it."""
        engine = self._engine
        job = Job(engine.keys.take(), instance, kind, retries, headers)
        instance.job = job
        self.by_key[job.key] = job
        engine.touch(instance)
        if engine.observers:
            engine.tell(HappeningKind.JOB_CREATED, job.key, instance, {"type": kind, "retries": retries})
        self._offer(job)

    def restore(self, job: Job) -> None:
        """Restore a stored job."""
        self.by_key[job.key] = job
        if job.state is JobState.ACTIVATABLE:
            self._activatable[job.type].add(job)
        elif job.deadline_ms and (job.state is JobState.ACTIVATED or job.backing_off):
            self._engine.agenda.add("job", job.key, job.deadline_ms)

    def drop(self, job: Job) -> None:
        """Forget a job: its element has ended."""
        self.by_key.pop(job.key, None)
        self._withdraw(job)
        job.instance.job = None

    def _withdraw(self, job: Job) -> None:
        """Offer a job to nobody, and wait for no deadline of it."""
        if job.state is not JobState.ACTIVATABLE:
            self._engine.agenda.remove("job", job.key)
            return
        waiting = self._activatable.get(job.type)
        if waiting is not None:
            waiting.discard(job)
            if not waiting:
                del self._activatable[job.type]

    def make_activatable(self, job: Job) -> None:
        """Offer the job to workers, for the first time or again."""
        job.state = JobState.ACTIVATABLE
        job.backing_off = False
        job.deadline_ms = 0
        self._engine.agenda.remove("job", job.key)
        self._engine.touch(job.instance)
        self._offer(job)

    def _offer(self, job: Job) -> None:
        streams = self._streams.get(job.type)
        if streams:
            for _ in range(len(streams)):
                stream = streams[0]
                streams.rotate(-1)
                if stream.has_room():
                    activated = self._activate(job, stream.worker, stream.timeout_ms, stream.fetch)
                    if activated.size > MAX_ANSWER_BYTES - _ROOM_FOR_THE_REST:
                        self._too_large(job, activated.size)
                        return
                    stream.push(activated)
                    return
        self._activatable[job.type].add(job)
        self.on_activatable(job.type)

    def due(self, key: int) -> None:
        """Handle the end of a job's deadline or back-off."""
        job = self.by_key.get(key)
        if job is not None and (job.state is JobState.ACTIVATED or job.backing_off):
            self.make_activatable(job)

    # --- workers

    def open_stream(self, stream: Stream) -> None:
        """Push jobs that become activatable from now on; those already waiting are for workers that poll."""
        self._streams[stream.type].append(stream)

    def close_stream(self, stream: Stream) -> None:
        """End a stream."""
        streams = self._streams[stream.type]
        if stream in streams:
            streams.remove(stream)
        if not streams:
            del self._streams[stream.type]

    def give_back(self, undelivered: Sequence[ActivatedJob]) -> None:
        """Offer jobs again that were activated but did not reach their worker."""
        for activated in undelivered:
            job = self.by_key.get(activated.key)
            if job is not None and job.state is JobState.ACTIVATED and job.deadline_ms == activated.deadline_ms:
                self.make_activatable(job)
        if self._engine.scheduler is not None:  # one that has no host has no worker that hangs up
            self._engine.scheduler()

    def has_activatable(self, kind: str) -> bool:
        """Return whether a worker that polls would get a job."""
        return bool(self._activatable.get(kind))

    def activate(
        self, kind: str, worker: str, timeout_ms: int, max_jobs: int, fetch: Sequence[str] = ()
    ) -> list[ActivatedJob]:
        """Activate up to this many jobs for a worker; fewer if the answer would become too large.

        Raises:
            Rejection: An argument is blank or less than 1.
        """
        check_worker(kind, timeout_ms, worker=worker, max_jobs=max_jobs)
        found: list[ActivatedJob] = []
        size = _ROOM_FOR_THE_REST
        waiting = self._activatable.get(kind)
        while waiting and len(found) < max_jobs:
            job = waiting.first()
            activated = self._activate(job, worker, timeout_ms, tuple(fetch), MAX_ANSWER_BYTES - size)
            if activated.deadline_ms == 0:
                if _ROOM_FOR_THE_REST + activated.size > MAX_ANSWER_BYTES:
                    self._withdraw(job)
                    self._too_large(job, activated.size)
                    continue
                break
            size += activated.size
            found.append(activated)
        return found

    def _activate(
        self, job: Job, worker: str, timeout_ms: int, fetch: tuple[str, ...], reserve: int | None = None
    ) -> ActivatedJob:
        """Activate a job for a worker, unless it is larger than `reserve` bytes: then its deadline is 0."""
        engine, instance = self._engine, job.instance
        visible = Visible(instance).all()
        variables = {name: visible[name] for name in fetch if name in visible} if fetch else visible
        definition = instance.process.definition
        deadline = engine.clock.now_ms() + min(timeout_ms, _MAX_TIMEOUT_MS)
        activated = ActivatedJob(
            key=job.key,
            type=job.type,
            process_instance_key=instance.process.key,
            bpmn_process_id=definition.bpmn_process_id,
            process_definition_version=definition.version,
            process_definition_key=definition.key,
            element_id=instance.element.id,
            element_instance_key=instance.key,
            headers=_headers_text(job),
            worker=worker,
            retries=job.retries,
            deadline_ms=deadline,
            variables=self._texts.write(variables),
        )
        if reserve is not None and activated.size > reserve:
            return activated._replace(deadline_ms=0)
        self._withdraw(job)
        job.state = JobState.ACTIVATED
        job.worker = worker
        job.deadline_ms = deadline
        engine.agenda.add("job", job.key, deadline)
        engine.touch(instance)
        if engine.observers:
            engine.tell(HappeningKind.JOB_ACTIVATED, job.key, instance, {"type": job.type, "worker": worker})
        return activated

    def _too_large(self, job: Job, size: int) -> None:
        job.state = JobState.FAILED
        job.deadline_ms = 0
        self._engine.agenda.remove("job", job.key)
        self._engine.incidents.raise_for(
            job.instance,
            MESSAGE_SIZE,
            f"The job with key '{job.key}' has {size} bytes with its variables, more than an answer of "
            f"{MAX_ANSWER_BYTES} bytes holds; let the worker fetch fewer variables, or map fewer into the task.",
            job,
        )

    # --- workers' answers

    def complete(self, key: int, variables: dict[str, Any]) -> None:
        """End a job's element with the worker's result.

        Raises:
            Rejection: There is no such job, or it has failed.
        """
        job = self._get(key, "COMPLETE", "complete")
        self._must_not_have_failed(job, "COMPLETE", "complete")
        instance = job.instance
        if self._engine.observers:
            self._engine.tell(HappeningKind.JOB_COMPLETED, key, instance, {"type": job.type, "variables": variables})
        self.drop(job)
        self._engine.touch(instance)
        self._engine.flow.do("complete", instance, variables)

    def fail(self, key: int, retries: int, message: str, backoff_ms: int, variables: dict[str, Any]) -> None:
        """Take back a job that a worker could not do: to be tried again, or to raise an incident.

        Raises:
            Rejection: There is no such job, or it has failed already.
        """
        job = self._get(key, "FAIL", "fail")
        self._must_not_have_failed(job, "FAIL", "fail")
        engine, instance = self._engine, job.instance
        self._withdraw(job)
        job.state, job.retries, job.error_message, job.deadline_ms = JobState.FAILED, retries, message, 0
        engine.touch(instance)
        set_variables(engine, instance, variables)
        if engine.observers:
            engine.tell(
                HappeningKind.JOB_FAILED, key, instance, {"type": job.type, "retries": retries, "message": message}
            )
        if retries <= 0:
            text = message or "No more retries left."
            engine.incidents.raise_for(instance, JOB_NO_RETRIES, text, job)
        elif backoff_ms > 0:
            job.backing_off = True
            job.deadline_ms = engine.clock.now_ms() + backoff_ms
            engine.agenda.add("job", key, job.deadline_ms)
        else:
            self.make_activatable(job)

    def throw(self, key: int, code: str, message: str, variables: dict[str, Any]) -> None:
        """Throw an error at a job's element; one that nothing catches is an incident.

        Raises:
            Rejection: There is no such job, or it has failed.
        """
        job = self._get(key, "THROW_ERROR", "throw an error for")
        self._must_not_have_failed(job, "THROW_ERROR", "throw an error for")
        engine, instance = self._engine, job.instance
        if engine.observers:
            engine.tell(HappeningKind.JOB_ERROR, key, instance, {"type": job.type, "error_code": code})
        self._withdraw(job)
        if engine.flow.throw_error(instance, code, variables):
            return
        job.state, job.error_message, job.deadline_ms = JobState.ERROR_THROWN, message, 0
        engine.touch(instance)
        with_message = f" with message '{message}'" if message else ""
        engine.incidents.raise_for(
            instance,
            UNHANDLED_ERROR,
            f"Expected to throw an error event with the code '{code}'{with_message}, but it was not caught. No error "
            "events are available in the scope.",
            job,
        )

    def update_retries(self, key: int, retries: int) -> None:
        """Set how often a job may still be tried.

        Raises:
            Rejection: There is no such job, or the number is not positive.
        """
        if retries < 1:
            raise rejected(
                "UPDATE_RETRIES",
                RejectionCode.INVALID_ARGUMENT,
                f"Expected to update retries for job with key '{key}' with a positive amount of retries, but the "
                f"amount given was '{retries}'",
            )
        job = self._get(key, "UPDATE_RETRIES", "update retries for")
        job.retries = retries
        self._engine.touch(job.instance)

    def update_timeout(self, key: int, timeout_ms: int) -> None:
        """Set a new deadline, counted from now.

        Raises:
            Rejection: There is no such job, or no worker has it.
        """
        job = self._get(key, "UPDATE_TIMEOUT", "update the timeout of")
        if job.state is not JobState.ACTIVATED:
            raise rejected(
                "UPDATE_TIMEOUT",
                RejectionCode.INVALID_STATE,
                f"Expected to update the timeout of job with key '{key}', but it is not active: its state is "
                f"'{job.state.name}'",
            )
        job.deadline_ms = self._engine.clock.now_ms() + min(timeout_ms, _MAX_TIMEOUT_MS)
        self._engine.agenda.add("job", key, job.deadline_ms)
        self._engine.touch(job.instance)

    def _get(self, key: int, command: str, verb: str) -> Job:
        job = self.by_key.get(key)
        if job is None:
            raise rejected(
                command,
                RejectionCode.NOT_FOUND,
                f"Expected to {verb} job with key '{key}', but no such job was found",
            )
        return job

    def _must_not_have_failed(self, job: Job, command: str, verb: str) -> None:
        if job.state in {JobState.FAILED, JobState.ERROR_THROWN}:
            raise rejected(
                command,
                RejectionCode.INVALID_STATE,
                f"Expected to {verb} job with key '{job.key}', but it is in state '{job.state.name}'",
            )


def _headers_text(job: Job) -> str:
    definition = job.instance.element.job
    if definition is not None and job.headers is definition.headers:
        return definition.headers_text
    return to_json(job.headers)


def check_worker(kind: str, timeout_ms: int, *, worker: str | None = None, max_jobs: int | None = None) -> None:
    """Check the arguments of a worker's request.

    Raises:
        Rejection: The type or the worker's name is blank, or a number is less than 1.
    """
    wrong: Rejection | None = None
    if not kind.strip():
        wrong = invalid("Expected to activate jobs with the type to be present, but it was blank")
    elif worker is not None and not worker.strip():
        wrong = invalid("Expected to activate jobs with the worker to be present, but it was blank")
    elif timeout_ms < 1:
        wrong = invalid(f"Expected to activate jobs with a timeout greater than zero, but it was '{timeout_ms}'")
    elif max_jobs is not None and max_jobs < 1:
        wrong = invalid(f"Expected to activate jobs with maxJobsToActivate greater than zero, but it was '{max_jobs}'")
    if wrong is not None:
        raise wrong
