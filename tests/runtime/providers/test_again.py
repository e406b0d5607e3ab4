"""What a provider gives is kept between jobs, and what changes meanwhile counts at once."""

import json

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.context import Job


async def test_a_change_of_the_provider_counts_for_the_next_job(server, tmp_path):
    file = tmp_path / "providers.yaml"

    def write(base, **more):
        login = {"type": "bearer", "token": "canary-4711"}
        erp = {
            "protocol": "http",
            "environments": {
                "test": {"url": server.url(base), "authentication": login},
                "live": {"url": server.url("/live/")},
            },
            **more,
        }
        file.write_text(json.dumps({"providers": {"erp": erp}}))

    write("/old/", environmentBy=["task"])
    given = {
        "ZEEBE_CONNECTORS_PROVIDERS": str(file),
        "ZEEBE_CONNECTORS_DATA": str(tmp_path),
        "ZEEBE_CONNECTORS_ENVIRONMENT": "test",
    }
    operators = Environment(("environment", given))
    services = services_of(Settings.read(operators), operators)
    handler = JobHandler(request, services)

    async def job(path, process="order", **headers):
        variables = json.dumps({"method": "GET", "url": path})
        return await handler(Job(1, request.type, variables, {"provider": "erp", **headers}, bpmn_process_id=process))

    try:
        for path in ("a", "b", "a", "a?x=1"):
            assert isinstance(await job(path), Complete)
            assert server.last.target == f"/old/{path}"
            assert server.last.header("authorization") == "Bearer canary-4711"
        assert isinstance(await job("a", environment="live"), Complete)
        assert server.last.target == "/live/a"
        assert isinstance(await job("../a"), Fail)
        write("/new/", processes=["order"])
        await services.providers.directory.refresh()
        assert isinstance(await job("a"), Complete)
        assert server.last.target == "/new/a"
        refused = await job("a", process="other")
        assert isinstance(refused, Fail)
        assert "may use erp" in refused.message
        write("/new/", active=False)
        await services.providers.directory.refresh()
        off = await job("a")
        assert isinstance(off, Fail)
        assert off.code == "PROVIDER_INACTIVE"
    finally:
        await services.providers.aclose()
        await services.aclose()
