"""Run one job through the whole pipeline without an engine, for the tests of connectors."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zeebe_connectors.config.secrets import EnvironmentSecrets, SecretResolver
from zeebe_connectors.runtime.cluster import GatewayCluster
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.runtime.expressions import ERROR_EXPRESSION, RESULT_EXPRESSION, RESULT_VARIABLE
from zeebe_connectors.runtime.gateway import Gateway
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Outcome
from zeebe_connectors.runtime.payload import plain
from zeebe_connectors.runtime.providers import Directory, Providers
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.cluster import NoCluster
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.document import Documents
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory


async def run(  # noqa: D417 - the expressions are explained at the runtime's headers
    connector: Outbound,
    variables: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    result_variable: str | None = None,
    result_expression: str | None = None,
    error_expression: str | None = None,
    secrets: Mapping[str, str] | None = None,
    retries: int = 3,
    seconds: float = 30.0,
    files: Sequence[Path] = (),
    documents: Documents | None = None,
    clients: ClientCache | None = None,
    memory: Memory | None = None,
    key: int = 1,
    settings: Mapping[str, str] | None = None,
    gateway: Gateway | None = None,
    processes: Sequence[str] = ("*",),
    providers: Mapping[str, Any] | None = None,
    environment: str = "",
    process: str = "test",
    tenant: str = "<default>",
) -> Outcome:
    """Runs one job as the runtime would, from raw variables to the outcome.

    Args:
        connector: The result of `@outbound`.
        variables: Inputs by wire name, as a task's input mapping makes them.
        headers: The task's custom headers.
        secrets: Values by name; `{"TOKEN": "x"}` answers `{{secrets.TOKEN}}`.
        retries: The job's remaining retries.
        seconds: The job's time.
        files: Directories that the operator allows.
        documents: A document store; by default a temporary one.
        clients: Clients to share between calls; by default they are closed at the end.
        memory: The memory of earlier calls; by default an empty one.
        key: Key of the job, of its element and of its process instance.
        settings: The operator's settings by name, for the inputs that they set.
        gateway: The engine in which the connector starts processes and sends messages, such as a `FakeGateway`.
        processes: Processes that the operator lets tasks start.
        providers: The content of `providers` in `providers.yaml`; a task names one in its header `provider`.
        environment: The providers' environment in force.
        process: The task's BPMN process id.
        tenant: The task's tenant id.
    """
    own = {
        RESULT_VARIABLE: result_variable,
        RESULT_EXPRESSION: result_expression,
        ERROR_EXPRESSION: error_expression,
    }
    job = Job(
        key=key,
        type=connector.type,
        variables=json.dumps(plain(dict(variables))),
        headers={**(headers or {}), **{name: text for name, text in own.items() if text is not None}},
        retries=retries,
        deadline=time.monotonic() + seconds,
        process_instance_key=key,
        element_instance_key=key,
        bpmn_process_id=process,
        tenant_id=tenant,
        element_id="task",
    )
    provider = EnvironmentSecrets({f"SECRET_{name}": value for name, value in (secrets or {}).items()})
    cache = clients or ClientCache()
    resolver = SecretResolver([provider])
    known = Directory(described=providers or {})
    with tempfile.TemporaryDirectory(prefix="zeebe-connectors-") as directory:
        services = Services(
            secrets=resolver,
            providers=Providers(known, resolver, cache, environment=environment),
            clients=cache,
            documents=documents or LocalDocuments(Path(directory), clients=cache, hosts=("*",)),
            files=AllowedFiles(files),
            memory=memory or ShortMemory(),
            settings=settings or {},
            trust=Everything(),
            cluster=GatewayCluster(gateway, None, processes) if gateway is not None else NoCluster(),
        )
        try:
            return await JobHandler(connector, services)(job)
        finally:
            if clients is None:
                await cache.aclose()
