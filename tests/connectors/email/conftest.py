"""What tests of the email connector have in common: tasks as the official templates make them, through the pipeline."""

import pytest

from zeebe_connectors.connectors.email.connector import run as connector
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.ledger import StoredMemory, store_of
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import HttpServer, Reply

USER = "alice@example.test"
SIMPLE = {"type": "simple", "username": USER, "password": "secret"}


class Email:
    """Runs tasks; `memory` is what the runtime remembers between two tries of a job."""

    def __init__(self, directory, memory):
        self.clients = ClientCache()
        self.documents = LocalDocuments(directory, clients=self.clients, hosts=("*",))
        self.memory = memory

    @staticmethod
    def task(protocol, port, action, given=None, *, host="127.0.0.1", security="NONE", authentication=None, **config):
        """Variables as the templates bind them."""
        return {
            "protocol": protocol,
            "authentication": authentication or SIMPLE,
            "data": {
                f"{protocol}ActionDiscriminator": action,
                f"{protocol}Action": given or {},
                f"{protocol}Config": {
                    f"{protocol}Host": host,
                    f"{protocol}Port": str(port),
                    f"{protocol}CryptographicProtocol": security,
                    **config,
                },
            },
        }

    async def outcome(self, task, **options):
        context = {"clients": self.clients, "documents": self.documents, "memory": self.memory, **options}
        return await run(connector, task, result_variable="result", **context)

    async def __call__(self, *arguments, key=1, **options):
        outcome = await self.outcome(self.task(*arguments, **options), key=key)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["result"]

    async def error(self, code, *arguments, key=1, seconds=30.0, secrets=None, **options) -> Fail:
        outcome = await self.outcome(self.task(*arguments, **options), key=key, seconds=seconds, secrets=secrets)
        assert isinstance(outcome, Fail), outcome
        assert outcome.code == code, outcome.message
        assert code in connector.errors, "the code is documented"
        return outcome


@pytest.fixture
async def email(tmp_path):
    store = store_of(None, tmp_path)
    made = Email(tmp_path / "documents", StoredMemory(store))
    yield made
    await made.clients.aclose()
    await store.aclose()


class Tokens:
    """A token endpoint: each access token that it gives is new, and only the last is good."""

    def __init__(self, web):
        self.web, self.given, self.revoked = web, [], set()
        web.answer("/token", self._answer)

    def _answer(self, seen):
        self.given.append(f"token-{len(self.given) + 1}")
        return Reply.json({"access_token": self.given[-1], "token_type": "Bearer", "expires_in": 3600})

    def __contains__(self, token):
        return token in self.given and token not in self.revoked

    def login(self, grant="clientCredentials"):
        name = "clientSecret" if grant == "clientCredentials" else "refreshToken"
        return {
            "type": grant,
            "username": USER,
            "oauthTokenEndpoint": self.web.url("/token"),
            "clientId": "app",
            name: "s3cret",
        }


@pytest.fixture
async def tokens():
    async with HttpServer() as web:
        yield Tokens(web)
