"""Execute commands: deployments, instances, jobs, incidents, messages, signals, variables."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from zeebe_connectors.engine.core import LATEST
from zeebe_connectors.engine.flow.instances import ProcessInstance, State
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.jobs import ActivatedJob
from zeebe_connectors.engine.rest import items
from zeebe_connectors.engine.rest.problems import (
    Problem,
    bad,
    body_of,
    flag_in,
    key_in,
    list_of,
    number,
    number_in,
    object_of,
    parts_of,
    text,
    text_in,
    variables_of,
)

MAX_RESOURCES = 4 * 1024 * 1024
"""Maximum bytes of one deployment, as over gRPC."""
_LONG_POLL = 10.0
_RESULT = 15.0
_CORRELATION = 15.0  # for a message that an instance must receive now


class Commands:
    """The routes of commands.

    Args:
        host: Runs the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._engine = host.engine

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/v2/deployments", self._deploy),
            web.post("/v2/process-instances", self._create),
            web.post("/v2/process-instances/{key}/cancellation", self._cancel),
            web.put("/v2/element-instances/{key}/variables", self._set_variables),
            web.post("/v2/jobs/activation", self._activate),
            web.post("/v2/jobs/{key}/completion", self._complete),
            web.post("/v2/jobs/{key}/failure", self._fail),
            web.post("/v2/jobs/{key}/error", self._throw),
            web.patch("/v2/jobs/{key}", self._update_job),
            web.post("/v2/incidents/{key}/resolution", self._resolve),
            web.post("/v2/messages/publication", self._publish),
            web.post("/v2/messages/correlation", self._correlate),
            web.post("/v2/signals/broadcast", self._broadcast),
        ]

    async def _deploy(self, request: web.Request) -> web.Response:
        resources: list[tuple[str, bytes]] = []
        total = 0
        async for part, content in parts_of(request, "one part named resources for each file"):
            if part.name == "tenantId":
                _check_tenant(content.decode(errors="replace"))
                continue
            total += len(content)
            if total > MAX_RESOURCES:
                raise Problem(413, "PAYLOAD_TOO_LARGE", f"A deployment may have {MAX_RESOURCES} bytes.")
            if part.name == "resources" and part.filename:
                resources.append((part.filename, content))
        found = await self._host.do(lambda: self._engine.deploy(resources))
        return web.json_response(items.deployment(found))

    async def _create(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        _check_tenant(body.get("tenantId"))
        process_id, key = body.get("processDefinitionId"), body.get("processDefinitionKey")
        if (process_id is None) is (key is None):
            raise bad("Exactly one of [processDefinitionId, processDefinitionKey] is required")
        ended: asyncio.Future[tuple[State, dict[str, Any]]] = asyncio.get_running_loop().create_future()

        def end(process: ProcessInstance) -> None:
            if not ended.done():
                ended.set_result((process.state, dict(process.root.variables or {})))

        instructions = list_of(body.get("startInstructions"), "startInstructions", object_of)
        starts = [text(one.get("elementId"), "elementId") for one in instructions]
        wanted, awaited = list_of(body.get("fetchVariables"), "fetchVariables", text), flag_in(body, "awaitCompletion")
        seconds = number_in(body, "requestTimeout") / 1000 or _RESULT
        process = await self._host.do(
            lambda: self._engine.create_instance(
                text_in(body, "processDefinitionId"),
                version=number_in(body, "processDefinitionVersion", LATEST, bits=32),
                definition_key=number_in(body, "processDefinitionKey"),
                variables=variables_of(body),
                start_at=starts,
                on_end=end if awaited else None,
            )
        )
        variables: dict[str, Any] = {}
        if awaited:
            variables = await self._result(process, ended, seconds)
            variables = {name: value for name, value in variables.items() if not wanted or name in wanted}
        return web.json_response(
            items.item({
                "processDefinitionKey": str(process.definition.key),
                "processDefinitionId": process.definition.bpmn_process_id,
                "processDefinitionVersion": process.definition.version,
                "processInstanceKey": str(process.key),
                "variables": variables,
                "tags": [],
            })
        )  # fmt: skip

    async def _result(
        self, process: ProcessInstance, ended: asyncio.Future[tuple[State, dict[str, Any]]], seconds: float
    ) -> dict[str, Any]:
        try:
            state, variables = await asyncio.wait_for(ended, seconds)
        except TimeoutError:
            raise Problem(504, "GATEWAY_TIMEOUT", f"The process instance {process.key} has not ended in time") from None
        finally:
            self._engine.no_longer_await(process.key)
        if state is not State.COMPLETED:
            raise Problem(409, "INVALID_STATE", f"The process instance {process.key} was terminated")
        return variables

    async def _cancel(self, request: web.Request) -> web.Response:
        key = key_in(request)
        await self._host.do(lambda: self._engine.cancel_instance(key))
        return web.Response(status=204)

    async def _set_variables(self, request: web.Request) -> web.Response:
        key, body = key_in(request), await body_of(request)
        if "variables" not in body:
            raise bad("No variables provided")
        variables = variables_of(body)
        await self._host.do(lambda: self._engine.set_variables(key, variables, local=flag_in(body, "local")))
        return web.Response(status=204)

    # --- jobs

    async def _activate(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        for tenant in list_of(body.get("tenantIds"), "tenantIds", text):
            _check_tenant(tenant)
        fetch = list_of(body.get("fetchVariable"), "fetchVariable", text)
        kind = text_in(body, "type")
        wait = number_in(body, "requestTimeout") / 1000
        loop = asyncio.get_running_loop()
        until = loop.time() + (wait or _LONG_POLL if wait >= 0 else 0)

        def activate() -> list[ActivatedJob]:
            return self._engine.activate_jobs(
                kind,
                worker=text_in(body, "worker", "rest"),
                timeout_ms=number_in(body, "timeout"),
                max_jobs=number_in(body, "maxJobsToActivate", bits=32),
                fetch=fetch,
            )

        found: list[ActivatedJob] = []
        try:
            while not (found := activate()) and (left := until - loop.time()) > 0:
                if not await self._host.job_available(kind, left):
                    break
            await self._host.saved()
        except asyncio.CancelledError:  # the worker has hung up
            self._engine.jobs.give_back(found)
            raise
        return web.json_response({"jobs": [items.activated(one) for one in found]})

    async def _complete(self, request: web.Request) -> web.Response:
        key, body = key_in(request), await body_of(request)
        variables = variables_of(body)
        await self._host.do(lambda: self._engine.complete_job(key, variables))
        return web.Response(status=204)

    async def _fail(self, request: web.Request) -> web.Response:
        key, body = key_in(request), await body_of(request)
        variables = variables_of(body)
        await self._host.do(
            lambda: self._engine.fail_job(
                key,
                number_in(body, "retries", bits=32),
                text_in(body, "errorMessage"),
                backoff_ms=number_in(body, "retryBackOff"),
                variables=variables,
            )
        )
        return web.Response(status=204)

    async def _throw(self, request: web.Request) -> web.Response:
        key, body = key_in(request), await body_of(request)
        code = text_in(body, "errorCode")
        if not code:
            raise bad("No errorCode provided")
        message = text_in(body, "errorMessage")
        variables = variables_of(body)
        await self._host.do(lambda: self._engine.throw_error(key, code, message, variables))
        return web.Response(status=204)

    async def _update_job(self, request: web.Request) -> web.Response:
        key, body = key_in(request), await body_of(request)
        changes = object_of(body.get("changeset"), "changeset")
        retries, timeout = changes.get("retries"), changes.get("timeout")
        if retries is None and timeout is None:
            raise bad("At least one of [retries, timeout] is required")

        new_retries = number(retries, "retries", bits=32) if retries is not None else 1
        new_timeout = number(timeout, "timeout") if timeout is not None else 0

        def update() -> None:
            # What may be refused comes first, so that a refused request has changed nothing.
            if timeout is not None and new_retries > 0:
                self._engine.update_job_timeout(key, new_timeout)
            if retries is not None:
                self._engine.update_job_retries(key, new_retries)

        await self._host.do(update)
        return web.Response(status=204)

    async def _resolve(self, request: web.Request) -> web.Response:
        key = key_in(request)
        await self._host.do(lambda: self._engine.resolve_incident(key))
        return web.Response(status=204)

    # --- messages and signals

    async def _publish(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        _check_tenant(body.get("tenantId"))
        key = await self._host.do(
            lambda: self._engine.publish_message(
                text_in(body, "name"),
                text_in(body, "correlationKey"),
                variables=variables_of(body),
                ttl_ms=number_in(body, "timeToLive"),
                message_id=text_in(body, "messageId"),
            )
        )
        return web.json_response(items.item({"messageKey": str(key)}))

    async def _correlate(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        _check_tenant(body.get("tenantId"))
        correlation = await self._host.do(
            lambda: self._engine.correlate_message(
                text_in(body, "name"),
                text_in(body, "correlationKey"),
                variables=variables_of(body),
            )
        )
        try:
            async with asyncio.timeout(_CORRELATION):
                while not correlation.decided:
                    await self._host.saved()
        except TimeoutError:
            raise Problem(504, "GATEWAY_TIMEOUT", "No process instance has received the message in time") from None
        key, instance = correlation.keys()
        return web.json_response(items.item({"messageKey": str(key), "processInstanceKey": str(instance)}))

    async def _broadcast(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        _check_tenant(body.get("tenantId"))
        key = await self._host.do(
            lambda: self._engine.broadcast_signal(text_in(body, "signalName"), variables_of(body))
        )
        return web.json_response(items.item({"signalKey": str(key)}))


def _check_tenant(tenant: object) -> None:
    if tenant not in (None, "", items.TENANT):  # a list, as what a client sends may be unhashable
        raise bad(
            f"Expected to handle the request with tenant identifier '{tenant}', but multi-tenancy is disabled: leave "
            f"it out, or use '{items.TENANT}'"
        )
