"""The connector through the whole pipeline, against a web server on loopback."""

import pytest

from weather.connector import look_up
from zeebe_connectors.testing import Complete, Fail, check, run
from zeebe_connectors.testing.servers import HttpServer, Reply

SECRETS = {"WEATHER": "k"}


def inputs(server: HttpServer, city: str = "Oslo") -> dict[str, str]:
    """What a task's form gives."""
    return {"url": server.url("/now"), "city": city, "token": "{{secrets.WEATHER}}"}


async def test_the_temperature_becomes_a_variable(zeebe_web: HttpServer) -> None:
    """The city and the secret reach the service."""
    zeebe_web.answer("/now", Reply.json({"temperature": 3.5}))
    outcome = await run(look_up, inputs(zeebe_web), result_variable="weather", secrets=SECRETS)
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"weather": {"temperature": 3.5}}
    assert zeebe_web.last.query == [("city", "Oslo")]
    assert zeebe_web.last.header("X-Token") == "k"


@pytest.mark.parametrize(
    ("reply", "code", "retries"),
    [
        (Reply.json({"error": "unknown"}, status=404), "WEATHER_UNKNOWN_CITY", 0),
        (Reply.json({"error": "busy"}, status=503), "503", 2),
        (Reply.json({"wind": 7}), "WEATHER_UNREADABLE", 2),
    ],
)
async def test_what_goes_wrong_has_a_code(zeebe_web: HttpServer, reply: Reply, code: str, retries: int) -> None:
    """What the modeler has to mend is an incident at once; the rest is tried again."""
    zeebe_web.answer("/now", reply)
    outcome = await run(look_up, inputs(zeebe_web, "Atlantis"), secrets=SECRETS)
    assert isinstance(outcome, Fail)
    assert (outcome.code, outcome.retries) == (code, retries)


async def test_it_keeps_the_rules() -> None:
    """Names, groups, defaults, texts, and how it fails where nothing answers."""
    assert await check(look_up) == []
