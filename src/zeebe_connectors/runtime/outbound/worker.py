"""Take jobs of one type, as many as there are free slots, and answer them.

How it keeps its promises:

* **One count of slots.** Polling and streaming take from the same count, and no more jobs run than there are slots.
  The stream is read only while a slot is free, so what the engine pushes beyond that stays in the connection (a few
  hundred small jobs at most) until the engine notices and keeps its jobs for pollers. Closing the stream instead
  would lose the jobs on their way until their deadline. A job that waited there for long is extended to its full
  time before it starts; past its deadline it does not start, because by then it belongs to someone else.
* **No sleep at capacity.** A freed slot wakes the poll: at once if a quarter of the slots is free, which keeps
  batches large enough to be worth their round trip, and after 20 ms if fewer are.
* **It survives every error.** After any status it waits, longer each time and with jitter, and tries again; the first
  success resets the wait.
* **An outcome is sent until the job's deadline.** An outcome that could not be sent by then is kept, and answers the
  job when the engine offers it again, so that its effect happens once.
* **Drain.** The stream and the poll end first; jobs that wait in the connection are handed back, their retries
  untouched. Running jobs may finish within the grace period, then they are cancelled. The handler may answer its
  cancellation with an outcome, which it does when the effect had not begun. If it does not, nobody knows whether the
  effect happened, and the job is left to its deadline, exactly as after a crash, its retries untouched. Failing it
  instead would run it again at once, beside a call that may still be in progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.gateway import Activation, Gateway, GatewayError
from zeebe_connectors.runtime.log_fields import belongs_to
from zeebe_connectors.runtime.outage import Outage
from zeebe_connectors.runtime.outbound.delivery import Delivery
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.runtime.outbound.retry import one_less
from zeebe_connectors.runtime.outbound.slots import Slots
from zeebe_connectors.runtime.outbound.taken_job import Extend, TakenJob
from zeebe_connectors.sdk.context import Job

logger = logging.getLogger(__name__)

Handle: TypeAlias = Callable[[Job, Extend], Awaitable[Outcome]]
"""Turns a job into an outcome. It should not raise. When cancelled, it may return an outcome instead."""

State: TypeAlias = Literal["new", "working", "draining", "stopped"]

PATIENCE = 0.02
"""Seconds that a poll waits for a quarter of the slots to be free before it asks for fewer jobs."""


class Metrics(Protocol):
    """Counts what a worker does; called once or twice per job, so it must be quick and must not raise."""

    def activated(self, job: Job) -> None:
        """Counts a job that was taken."""
        ...

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """Counts a job that was answered; `seconds` is the time that handling it took."""
        ...

    def unanswered(self, job: Job) -> None:
        """Counts a job whose outcome was not sent before its deadline, was refused by the engine, or does not exist."""
        ...


class _NoMetrics:
    def activated(self, job: Job) -> None:
        pass

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        pass

    def unanswered(self, job: Job) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Liveness:
    """The state of a worker.

    Args:
        state: `working` from start to drain.
        in_flight: Jobs taken and not answered yet.
        slots: Maximum jobs at once.
        streaming: Whether a stream has been open for at least a second.
        last_contact: When the gateway last answered a poll or pushed a job, in seconds of `time.monotonic()`.
        errors: Failed polls since then.
        last_error: Status and text of the last failed poll since then.
        unsent: Outcomes that could not be sent in time and wait for their jobs.
        oldest: Age in seconds of the job that has been running the longest; 0 if there is none.
        overdue: Seconds for which every running job has been past its deadline with none answered; 0 otherwise.
    """

    type: str
    state: State
    in_flight: int
    slots: int
    streaming: bool
    last_contact: float | None
    errors: int
    last_error: str | None
    unsent: int
    oldest: float = 0.0
    overdue: float = 0.0


class Worker:
    """Takes jobs of one type, handles each in a task of its own, and answers them.

    Args:
        gateway: Where jobs come from.
        activation: Which jobs, and for how long.
        handle: Turns one job into one outcome.
        slots: Maximum jobs at once.
        stream: Whether to let the engine push jobs too.
        wait: Seconds that an idle poll waits for a job.
        metrics: Counts what happens.
        cluster_outage: Reports that the cluster is away; all workers of a runtime share one.
    """

    def __init__(
        self,
        gateway: Gateway,
        activation: Activation,
        handle: Handle,
        *,
        slots: int = 100,
        stream: bool = True,
        wait: float = 10.0,
        metrics: Metrics | None = None,
        cluster_outage: Outage | None = None,
    ) -> None:
        if slots < 1:
            raise ValueError(f"slots is {slots}, but a worker needs at least one to do anything")
        self.gateway = gateway
        self.activation = activation
        self.slots = slots
        self._handle = handle
        self._wait = wait
        self._metrics: Metrics = metrics or _NoMetrics()
        self._free = Slots(slots)
        self._low_water = max(1, slots // 4)
        self._batch = slots
        self._batch_until = 0.0
        self._running: dict[int, TakenJob] = {}
        self._state: State = "new"
        self._streaming = stream
        self._stream_since: float | None = None
        self._poll_errors = Backoff()
        self._cluster_outage = cluster_outage or Outage(logger, "The cluster does not answer")
        self._delivery = Delivery(gateway, self._cluster_outage)
        self._own_outage = Outage(logger, f"{activation.type}: jobs cannot be fetched")
        self._stream_outage = Outage(logger, f"{activation.type}: jobs are fetched without a stream, which broke")
        self._last_error: str | None = None
        self._last_contact: float | None = None
        self._poller: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._left: set[int] = set()
        self._last_end = 0.0

    def start(self) -> None:
        """Starts taking jobs; needs a running event loop.

        Raises:
            RuntimeError: It was started before.
        """
        if self._state != "new":
            raise RuntimeError(f"the worker for {self.activation.type} was started before; make a new one")
        self._state = "working"
        name = self.activation.type
        if self._streaming:
            self._listener = asyncio.create_task(self._listen(), name=f"stream {name}")
        self._poller = asyncio.create_task(self._poll(), name=f"poll {name}")

    async def run(self) -> None:
        """Starts, and works until it is drained."""
        self.start()
        await self._stopped.wait()

    @property
    def is_busy(self) -> bool:
        """Whether jobs run."""
        return bool(self._running)

    def liveness(self) -> Liveness:
        """Returns the state of the worker, for health and metrics."""
        now = time.monotonic()
        # Not `taken.deadline`, which the engine moves whenever it offers the job again.
        deadlines = [taken.job.deadline for taken in self._running.values()]
        return Liveness(
            type=self.activation.type,
            state=self._state,
            in_flight=len(self._running),
            slots=self.slots,
            # An attempt that fails does so quickly.
            streaming=self._stream_since is not None and time.monotonic() - self._stream_since > 1.0,
            last_contact=self._last_contact,
            errors=self._poll_errors.attempts,
            last_error=self._last_error,
            unsent=len(self._delivery.unsent),
            oldest=now - next(iter(self._running.values())).began if self._running else 0.0,
            overdue=max(0.0, now - max(self._last_end, *deadlines)) if deadlines else 0.0,
        )

    async def drain(self, grace: float = 25.0) -> list[int]:
        """Takes no new jobs, lets running jobs end within `grace` seconds, then cancels them; ends within `grace` + 2.

        Returns:
            Keys of the jobs left unanswered, which the engine offers again after their deadline.
        """
        if self._state in {"draining", "stopped"}:
            await self._stopped.wait()
            return []
        ends = time.monotonic() + grace
        self._state = "draining"
        if self._listener is not None:
            await _cancelled(self._listener)
        if self._poller is not None:
            # Under load, an answer with jobs is on its way; wait for it briefly and hand those jobs back.
            await asyncio.wait([self._poller], timeout=min(0.25, grace))
            await _cancelled(self._poller)
        await self._ended(ends - time.monotonic())
        self._cancel_running(sending=False)
        await self._ended(1.5)
        self._cancel_running(sending=True)
        await self._ended(0.5)
        for key in self._running:
            logger.error("job %d: its handler does not react to its cancellation", key)
        self._state = "stopped"
        self._stopped.set()
        return sorted({*self._left, *self._running})

    def _cancel_running(self, *, sending: bool) -> None:
        """Cancels handlers; with `sending`, also those that are sending a known outcome."""
        for taken in self._running.values():
            if taken.task is not None and (sending or taken.outcome is None):
                taken.task.cancel()

    async def _ended(self, seconds: float) -> None:
        """Waits until no job is running, or until the time is over."""
        tasks = [taken.task for taken in self._running.values() if taken.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, seconds))

    # Taking jobs

    async def _poll(self) -> None:
        backlog = True
        while self._state == "working":
            max_jobs, wait = await self._room(backlog=backlog)
            # Beside a stream, a waiting poll reserves no slots, which would be idle as long as it waits.
            reserved = 0 if self._streaming and wait else max_jobs
            self._free.take(reserved)
            try:
                jobs = await self.gateway.activate(self.activation, max_jobs=max_jobs, wait=wait)
            except Exception as error:  # noqa: BLE001 - if the poll ended, the worker would stop silently
                self._free.give(reserved)
                await self._pause_polling(error, max_jobs)
                continue
            except asyncio.CancelledError:
                self._free.give(reserved)
                raise
            self._free.give(reserved)
            self._seen()
            self._own_outage.over()
            self._poll_errors.reset()
            self._last_error = None
            if self._batch < self.slots and self._batch_until < time.monotonic():
                self._limit_batch(self._batch * 2)
            backlog = len(jobs) >= max_jobs
            await self._begin_all(jobs)

    async def _begin_all(self, jobs: Sequence[Job]) -> None:
        """Begins each job once a slot is free; hands back the rest when the worker stops."""
        waiting = deque(jobs)
        try:
            while waiting:
                if self._state == "working":
                    await self._free.at_least(1)
                self._begin(waiting.popleft())
        except asyncio.CancelledError:
            for job in waiting:
                self._begin(job)
            raise

    async def _room(self, *, backlog: bool) -> tuple[int, float]:
        """Waits for free slots; returns how many jobs to ask for and how long to wait for them.

        While there is a backlog, a poll beside a stream takes all free slots but does not wait. Otherwise it waits, but
        for few jobs: the stream may fill the slots meanwhile, and polled jobs must then be held until some are free.
        """
        while True:
            await self._free.at_least(1)
            if self._free.free < self._low_water:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self._free.at_least(self._low_water)
            if self._free.free > 0:
                break
        max_jobs = min(self._free.free, self._batch)
        if not self._streaming:
            return max_jobs, self._wait
        return (max_jobs, 0.0) if backlog else (min(max_jobs, max(1, self.slots // 8)), self._wait)

    async def _pause_polling(self, error: Exception, max_jobs: int) -> None:
        oversize = isinstance(error, GatewayError) and error.is_oversize
        if oversize and max_jobs > 1:
            self._limit_batch(max_jobs // 2)
            logger.warning(
                "%s: %d jobs are too large for one answer, now %d", self.activation.type, max_jobs, self._batch
            )
        expected = isinstance(error, GatewayError)
        # A busy engine often says so and is free again soon; slots must not stay idle for much longer.
        busy = isinstance(error, GatewayError) and error.status == "RESOURCE_EXHAUSTED" and not oversize
        busy = busy and self._poll_errors.attempts < 16
        pause = self._poll_errors.next(max_pause=0.25 if busy else None)
        self._last_error = _reason_of(error)
        if not busy:
            self._outage_of(error).failed(self._last_error, error=None if expected else error)
        await asyncio.sleep(pause)

    def _limit_batch(self, max_jobs: int) -> None:
        # A refused batch stays with this worker until its deadline, so larger ones are avoided for a while.
        self._batch = min(self.slots, max_jobs)
        self._batch_until = time.monotonic() + 600.0

    async def _listen(self) -> None:
        backoff = Backoff(max_pause=30.0)
        while self._state == "working":
            opened = time.monotonic()
            try:
                await self._read_stream(backoff)
            except Exception as error:  # noqa: BLE001 - as for the poll: nothing may end the stream for good
                self._stream_outage_of(error).failed(_reason_of(error))
            finally:
                self._stream_since = None
            if time.monotonic() - opened > 10.0:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _read_stream(self, backoff: Backoff) -> None:
        async with contextlib.aclosing(self.gateway.stream(self.activation)) as jobs:
            self._stream_since = time.monotonic()
            held: Job | None = None
            try:
                while True:
                    await self._free.at_least(1)
                    held = await anext(jobs, None)
                    if held is None:
                        return
                    backoff.reset()
                    self._seen()
                    self._stream_outage.over()
                    # The poll may have taken the last slot meanwhile; then this job waits for the next.
                    await self._free.at_least(1)
                    self._begin(held)
                    held = None
            except asyncio.CancelledError:
                # Draining: these jobs have no slot and are only handed back, once the stream cannot deliver them
                # again.
                left = [held] if held is not None else []
                with contextlib.suppress(TimeoutError, StopAsyncIteration, GatewayError):
                    async with asyncio.timeout(0.25):
                        while True:
                            left.append(await anext(jobs))
                await jobs.aclose()
                for job in left:
                    self._begin(job)
                raise

    def _seen(self) -> None:
        self._last_contact = time.monotonic()
        self._cluster_outage.over()

    def _outage_of(self, error: Exception) -> Outage:
        """Returns the outage of a failed poll: the cluster's, which all workers share, or this worker's own."""
        return self._cluster_outage if isinstance(error, GatewayError) and error.is_away else self._own_outage

    def _stream_outage_of(self, error: Exception) -> Outage:
        return self._cluster_outage if isinstance(error, GatewayError) and error.is_away else self._stream_outage

    # Answering jobs

    def _begin(self, job: Job) -> None:
        """Takes a slot for a job and works on it; a job taken during the drain is handed back."""
        if (twin := self._running.get(job.key)) is not None:
            # Its deadline passed here and the engine offers it again: the running one may answer until the new
            # deadline.
            twin.deadline = max(twin.deadline, job.deadline)
            return
        if job.deadline <= time.monotonic():
            logger.debug("job %d was offered after its deadline", job.key)
            return
        outcome = self._delivery.known(job)
        if outcome is None and self._state != "working":
            outcome = Fail("Handed back untouched: the worker is stopping.", retries=job.retries)
        taken = self._running[job.key] = TakenJob(self.gateway, job, outcome)
        self._free.take()
        self._metrics.activated(job)
        taken.task = asyncio.get_running_loop().create_task(self._work(taken))

    async def _work(self, taken: TakenJob) -> None:
        job = taken.job
        belongs_to(job)
        started = time.perf_counter()
        try:
            is_late = taken.outcome is None and taken.deadline - taken.began <= self.activation.timeout / 2
            if is_late and not await self._renewed(taken):
                self._metrics.unanswered(job)
                return
            outcome = taken.outcome or await self._outcome(taken)
            seconds = time.perf_counter() - started
            # From here on the outcome is known, and a cancellation would lose it.
            taken.outcome = outcome
            sent = await self._delivery.deliver(job, outcome, deadline=lambda: taken.deadline)
        except asyncio.CancelledError:
            known = "done but not sent" if taken.outcome else "cancelled, its effect in doubt"
            logger.warning("job %d %s %s: %s; left to its deadline", job.key, job.type, job.element_id, known)
            self._left.add(job.key)
            self._metrics.unanswered(job)
        else:
            if sent is None:
                self._metrics.unanswered(job)
            else:
                if not isinstance(sent, Fail) and sent.on_acknowledged is not None:
                    sent.on_acknowledged()
                self._metrics.answered(job, sent, seconds)
                logger.info(
                    "job %d %s %s: %s, %.0f ms", job.key, job.type, job.element_id, _described(sent), seconds * 1000
                )
        finally:
            del self._running[job.key]
            self._last_end = time.monotonic()
            self._free.give()

    async def _renewed(self, taken: TakenJob) -> bool:
        """Extends a job that waited in the stream to its full time; returns whether the job still exists."""
        try:
            await taken.extend(self.activation.timeout)
        except GatewayError as error:
            if error.is_not_found:
                logger.debug("job %d is gone", taken.job.key)
                return False
        return True

    async def _outcome(self, taken: TakenJob) -> Outcome:
        job = taken.job
        taken.arm()
        try:
            return await self._handle(job, taken.extend)
        except asyncio.CancelledError:
            if not taken.expired:
                raise
            if taken.task is not None:
                taken.task.uncancel()
            message = "No answer within the job's time, so the connector was stopped."
            return Fail(f"{message} Shorten the timeouts of the task, or raise the job's.", retries=one_less(job))
        except Exception as error:
            logger.exception("job %d %s: the handler raised, which it never should", job.key, job.type)
            # The exception's text may hold data or secrets, its name does not.
            message = f"The connector runtime encountered an unexpected {type(error).__name__}."
            return Fail(f"{message} See its log for job {job.key}.", retries=one_less(job))
        finally:
            taken.disarm()


def _reason_of(error: Exception) -> str:
    return str(error) if isinstance(error, GatewayError) else type(error).__name__


def _described(outcome: Outcome) -> str:
    if isinstance(outcome, Complete):
        return "completed"
    if isinstance(outcome, Fail):
        return f"failed, {outcome.retries} retries left" if outcome.retries > 0 else "failed, incident"
    return "BPMN error"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
