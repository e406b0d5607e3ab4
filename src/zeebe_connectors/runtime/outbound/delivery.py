"""Send a job's outcome until the engine has it or the deadline passes; replace it if the engine refuses it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.gateway import Gateway, GatewayError
from zeebe_connectors.runtime.outage import Outage
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.runtime.outbound.unsent import Unsent
from zeebe_connectors.sdk.context import Job

logger = logging.getLogger(__name__)

MESSAGE_LIMIT = 10_000
"""Maximum characters of a failure's message; the handler cuts earlier, this guards the engine's log."""
_LATE_SECONDS = 600.0


class Delivery:
    """Sends the outcomes of one worker's jobs.

    Args:
        gateway: The engine.
        cluster_outage: Reports that the cluster is away.
    """

    def __init__(self, gateway: Gateway, cluster_outage: Outage) -> None:
        self.unsent = Unsent()
        """Outcomes that could not be sent in time."""
        self._late = Unsent(age=_LATE_SECONDS)
        self._gateway = gateway
        self._cluster_outage = cluster_outage

    async def deliver(self, job: Job, outcome: Outcome, *, deadline: Callable[[], float]) -> Outcome | None:
        """Sends an outcome until the engine has it or the job's deadline passes.

        Args:
            job: The job that it answers.
            outcome: What to send.
            deadline: Returns when the job's time ends, in seconds of `time.monotonic()`; called before each pause,
                because the engine may have offered the job again meanwhile.

        Returns:
            What was finally sent; None if the engine did not get an answer.
        """
        backoff: Backoff | None = None  # for the few that fail
        key = job.key
        while True:
            try:
                await self._send(key, outcome)
            except GatewayError as error:
                backoff = backoff or Backoff()
                if error.is_not_found and backoff.attempts:
                    # An earlier attempt succeeded and only its answer was lost, or another worker was quicker.
                    self._keep_done(job, outcome)
                    return outcome
                if error.is_refusal:
                    instead = _instead_of(outcome, error)
                    if instead is None:
                        logger.warning("job %d: the engine does not accept the answer (%s)", key, error)
                        return None
                    logger.warning("job %d: the engine refused the outcome (%s); sending that instead", key, error)
                    outcome = instead
                    continue
                pause = backoff.next()
                if time.monotonic() + pause >= deadline():
                    self.unsent.keep(job, outcome)
                    logger.warning(
                        "job %d: its outcome could not be sent in time (%s); kept until the job is offered again",
                        key,
                        error,
                    )
                    return None
                if error.is_away:
                    self._cluster_outage.failed(str(error))
                logger.debug(
                    "job %d: answer %d did not arrive (%s), again in %.1f s", key, backoff.attempts, error, pause
                )
                await asyncio.sleep(pause)
            else:
                if (backoff is not None and backoff.attempts) or time.monotonic() >= job.deadline:
                    self._keep_done(job, outcome)
                return outcome

    def _keep_done(self, job: Job, outcome: Outcome) -> None:
        """Keeps a completion that was late: the engine may have offered the job again before it accepted the answer.

        That offer may be read after the answer, as both come by different calls; the job must not run again then.
        """
        if isinstance(outcome, Complete):
            self._late.keep(job, outcome)

    def known(self, job: Job) -> Outcome | None:
        """Returns the outcome that a job offered again has already; None when the job must be run."""
        return self.unsent.pop(job) or self._late.pop(job)

    async def _send(self, key: int, outcome: Outcome) -> None:
        try:
            if isinstance(outcome, Complete):
                await self._gateway.complete(key, outcome.payload)
            elif isinstance(outcome, Fail):
                await self._gateway.fail(
                    key,
                    retries=max(0, outcome.retries),
                    message=outcome.message[:MESSAGE_LIMIT],
                    backoff=outcome.backoff or 0.0,
                    payload=outcome.payload,
                )
            else:
                await self._gateway.throw(
                    key, code=outcome.code, message=outcome.message[:MESSAGE_LIMIT], payload=outcome.payload
                )
        except GatewayError:
            raise
        except Exception as error:
            # An answer that cannot even be encoded must not be lost silently.
            reason = f"it is not a valid command ({type(error).__name__})"
            raise GatewayError("INVALID_ARGUMENT", reason) from error


def _instead_of(outcome: Outcome, error: GatewayError) -> Outcome | None:
    """Returns what to send instead of an outcome that the engine rejects; None if nothing would be accepted."""
    if error.status in {"NOT_FOUND", "FAILED_PRECONDITION"}:
        return None
    if isinstance(outcome, Fail):
        return replace(outcome, payload="{}", variables={}) if outcome.payload != "{}" else None
    # The effect has happened, so the job must not be retried automatically: a person decides.
    verb = "completion" if isinstance(outcome, Complete) else "BPMN error"
    reason = error.message[:500]
    return Fail(f"The connector did its work, but the engine refused the {verb}: {reason}", retries=0)
