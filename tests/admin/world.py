"""A runtime in which everything that the operator can see is there, with a secret value behind each of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.admin.serving import served
from tests.servers.soap import SoapServer
from tests.waiting import until

from zeebe_connectors import ConnectorError, Context, Event, InboundContext, Model, Secret, inbound, outbound
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import Reply

CANARY = "CANARY-5eCr3t-0815"
"""Every secret value: it must be in no page, answer and log line."""
TOKENS = {
    "operator": "token-of-the-operator-4711",
    "editor": "token-of-the-editor-4714",
    "modeler": "token-of-the-modeler-4712",
    "viewer": "token-of-the-viewer-4713",
}
WSDL = Path(__file__).parent.parent / "connectors" / "soap" / "wsdl" / "dotnet-asmx.wsdl"
PROVIDERS = """\
providers:
  fixed:
    protocol: http
    tags: [orders]
    environments:
      test: {{url: "{url}/", authentication: {{type: bearer, token: {canary}}}}}
"""


class Order(Model):
    token: Secret = Secret("")
    fail: bool = False
    note: str = ""


@outbound("order", title="Order", type="test:order:1", errors={"SHOP_SHUT": "Come back tomorrow."})
async def order(given: Order, context: Context) -> str:
    """Orders."""
    if given.fail:
        raise ConnectorError("SHOP_SHUT", f"refused {given.token.reveal()}")
    return f"done with {given.token.reveal()}"


async def look(given: Order, context: InboundContext, hours: float) -> AsyncIterator[Event]:
    """Shows one event."""
    yield Event("box/1/1", {"word": given.token.reveal(), "fromAddress": "a@example.com"}, title="<b>Hello</b>")


@inbound("box", title="Box", type="test:box:1", preview=look)
async def box(given: Order, context: InboundContext) -> AsyncIterator[Event]:
    """Fails, or waits."""
    if given.fail:
        raise ConnectorError("SHUT", f"the box is shut for {given.token.reveal()}")
    context.report(None)
    await asyncio.sleep(3600)
    yield Event("never", {})


class World:
    """The runtime and its operator's port.

    Args:
        folder: Where it keeps its files.
        sources: How many sources it watches; the second one is down.
        jobs: How many jobs it remembers.
        quarantined: How many events are in quarantine.
        providers: How many providers there are beside `fixed`.
        word: What processes, elements and messages are called.
        settings: Others than the usual.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sources: int = 2,
        jobs: int = 120,
        quarantined: int = 4,
        providers: int = 1,
        word: str = "order-intake",
        **settings: str,
    ) -> None:
        self._folder = folder
        self._sources, self._jobs, self._quarantined, self._providers = sources, jobs, quarantined, providers
        self._word = word
        self._settings = settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        self.service = await self._stack.enter_async_context(SoapServer())
        self.service.answer("/orders.wsdl", Reply(200, WSDL.read_bytes(), [("Content-Type", "text/xml")]))
        self.service.answer("/stock", Reply.json({"free": 312}))
        (self._folder / "providers.yaml").write_text(PROVIDERS.format(url=self.service.url(""), canary=CANARY))
        (self._folder / "sources.toml").write_text("".join(map(self._source, range(self._sources))))
        given = {
            "ZEEBE_CONNECTORS_SOURCES": str(self._folder / "sources.toml") if self._sources else "",
            "ZEEBE_CONNECTORS_PROVIDERS": str(self._folder / "providers.yaml"),
            "ZEEBE_CONNECTORS_PROVIDERS_KEY": base64.b64encode(bytes(range(32))).decode(),
            "ZEEBE_CONNECTORS_ADMIN_TOKEN": TOKENS["operator"],
            "ZEEBE_CONNECTORS_ADMIN_EDITOR_TOKEN": TOKENS["editor"],
            "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN": TOKENS["modeler"],
            "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN": TOKENS["viewer"],
            "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET": CANARY,
            "SECRET_T": CANARY,
            "ZEEBE_CONNECTORS_ENVIRONMENT": "test",
        }
        installed = Registry.installed(["rest", "soap", "imap"])
        registry = Registry([order, box, *installed.outbound.values(), *installed.inbound.values()])
        limits = {"wrong_token_seconds": 0.01}
        serving = served(self._folder / "data", registry, limits=limits, **given | self._settings)
        found = await self._stack.enter_async_context(serving)
        self.runtime, self.server, self.gateway = found.runtime, found.server, found.gateway
        self.api, self.url = found.api, found.url
        await self._fill()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _source(self, number: int) -> str:
        return (
            f'["box {number:04}#/x"]\ntype = "test:box:1"\nmessage = "m"\ntoken = "{{{{secrets.T}}}}"\n'
            f'note = "{number}"\nfail = {"true" if number == 1 else "false"}\nresultExpression = "={{got: word}}"\n'
        )

    async def _fill(self) -> None:
        word, counted = self._word, self.runtime.record.metrics("order", None)
        for key in range(1, self._jobs + 1):
            job = Job(key, "test:order:1", bpmn_process_id=word, element_id=word, process_instance_key=key)
            outcome = (Complete(), Throw("E", word), Fail(word, 1, code="503"), Fail(word, 0, code="SHOP_SHUT"))[
                key % 4
            ]
            counted.answered(job, outcome, 0.1)
        if self._jobs:
            self.gateway.put("test:order:1", {"fail": True, "token": "{{secrets.T}}", "note": "HIDDEN"}, retries=1)
        given = {"alias": None, "reason": f"cannot be read {word}", "title": word, "original": b"From: x"}
        quarantine = self.runtime.ledger.quarantine
        await asyncio.gather(*(quarantine("box", f"id/{number}", **given) for number in range(self._quarantined)))
        for number in range(self._providers):
            await self._provider(f"erp{number or ''}")
        await until(self._is_settled, within=60)

    async def _provider(self, name: str) -> None:
        from zeebe_connectors.runtime.providers import Editor  # noqa: PLC0415 - only where there is one

        login = {"type": "basic", "username": "user-of-erp", "password": {"value": CANARY}}
        environment = {"url": self.service.url("/"), "authentication": login}
        document = {"protocol": "http", "tags": ["orders"], "environments": {"test": environment, "live": environment}}
        providers = self.runtime.services.providers
        assert providers is not None
        assert providers.directory.store is not None
        await providers.directory.store.create(name, document, Editor("operator"))
        await providers.directory.refresh()

    def _is_settled(self) -> bool:
        watches = self.runtime.sources.watches.values() if self.runtime.sources is not None else ()
        up = sum(watch.status in {"UP", "DOWN"} for watch in watches)
        contacted = all(state.last_contact for state in self.runtime.liveness().values())
        reported = not self._jobs or any(job.key > self._jobs for job in self.runtime.record.jobs("incident"))
        return contacted and reported and up >= min(self._sources, 50)

    def headers(self, role: str = "operator") -> dict[str, str]:
        """Those of a call of the API."""
        return {"Authorization": f"Bearer {TOKENS[role]}"}

    def sample(self, name: str, **more: Any) -> dict[str, Any]:
        """A provider to be created."""
        return {"name": name, "protocol": "http", "environments": {"test": {"url": self.service.url("/")}}, **more}
