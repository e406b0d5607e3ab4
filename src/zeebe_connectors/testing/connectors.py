"""Let connectors handle the jobs of an engine inside a test, as the runtime would."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from zeebe_connectors.config.secrets import EnvironmentSecrets, SecretResolver
from zeebe_connectors.engine import ActivatedJob
from zeebe_connectors.engine import Engine as Core
from zeebe_connectors.runtime.diagrams import DeployedHere, Diagrams
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Outcome
from zeebe_connectors.runtime.providers import Directory, Providers
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.cluster import Cluster
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Job as Task
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.sdk.registry import Registry

WORKER = "test"
"""The worker name under which jobs are activated."""
JOB_MS = 24 * 3_600_000
"""Milliseconds of a job's timeout, on a clock that stands still."""


class Connectors:
    """Handles jobs in a thread with an event loop of its own, which starts with the first job.

    Args:
        core: The engine.
        secrets: Values by name; more may be added later.
        files: Directories that connectors may read from.
        cluster: For starting processes and sending messages.
    """

    def __init__(self, core: Core, secrets: Mapping[str, str], files: Sequence[Path], cluster: Cluster) -> None:
        self._core = core
        self._cluster = cluster
        self._providers: dict[str, Any] = {}
        self._environment = ""
        self._secrets = secrets
        self._files = files
        self._by_type: dict[str, Outbound] = {}
        self._handlers: dict[str, JobHandler] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._clients: ClientCache | None = None
        self._here = DeployedHere()
        self._memory = ShortMemory()

    def add(self, connectors: Iterable[str | Outbound]) -> None:
        """Adds connectors; secrets that were added meanwhile count too."""
        names = [one for one in connectors if isinstance(one, str)]
        registry = Registry.installed(names) if names else None
        for one in connectors:
            connector = one
            if isinstance(connector, str):
                known = registry.outbound if registry is not None else {}
                if connector not in known:
                    missing = registry.unavailable.get(connector) if registry is not None else None
                    raise LookupError(missing.reason if missing else f"there is no outbound connector {connector!r}")
                connector = known[connector]
            self._by_type |= dict.fromkeys((connector.type, *connector.also), connector)
        self._handlers.clear()

    def know(self, providers: Mapping[str, Any], environment: str) -> None:
        """Adds providers, and sets the environment in force."""
        self._providers.update(providers)
        self._environment = environment or self._environment
        self._handlers.clear()

    def remember(self, resources: Mapping[str, bytes], deployed: Sequence[Deployed]) -> None:
        """Remembers a deployment, as the diagram decides where secrets may stand."""
        self._here.remember(resources, deployed)

    def begin(self) -> list[tuple[ActivatedJob, Future[Outcome]]]:
        """Activates the available jobs and starts handling them."""
        core = self._core
        return [
            (job, self._submit(self._carry_out(connector, job)))
            for kind, connector in self._by_type.items()
            if core.jobs.has_activatable(kind)
            for job in core.activate_jobs(kind, worker=WORKER, timeout_ms=JOB_MS, max_jobs=1_000_000)
        ]

    async def _carry_out(self, connector: Outbound, job: ActivatedJob) -> Outcome:
        if connector.name not in self._handlers:
            self._handlers[connector.name] = JobHandler(connector, self._services())
        task = Task(
            key=job.key,
            type=job.type,
            variables=job.variables,
            headers=json.loads(job.headers),
            retries=job.retries,
            deadline=time.monotonic() + 60,
            process_instance_key=job.process_instance_key,
            process_definition_key=job.process_definition_key,
            process_definition_version=job.process_definition_version,
            bpmn_process_id=job.bpmn_process_id,
            element_id=job.element_id,
            element_instance_key=job.element_instance_key,
        )
        return await self._handlers[connector.name](task)

    def _services(self) -> Services:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="zeebe-connectors-")
        clients = self._clients = self._clients or ClientCache()
        secrets = {f"SECRET_{name}": value for name, value in self._secrets.items()}
        resolver = SecretResolver([EnvironmentSecrets(secrets)])
        known = Directory(described=self._providers)
        return Services(
            secrets=resolver,
            providers=Providers(known, resolver, clients, environment=self._environment),
            cluster=self._cluster,
            clients=clients,
            documents=LocalDocuments(Path(self._scratch.name), clients=clients),
            files=AllowedFiles(self._files),
            diagrams=Diagrams(here=self._here),
            memory=self._memory,
        )

    def _submit(self, coroutine: Coroutine[Any, Any, Outcome]) -> Future[Outcome]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="connectors of a test", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Closes the clients, and ends the thread."""
        if self._loop is not None and self._thread is not None:
            if self._clients is not None:
                asyncio.run_coroutine_threadsafe(self._clients.aclose(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
