"""What all tests share: which engine those marked `engine` run against, and that what they need can be had."""

import os

import hypothesis
import pytest
from tests.servers import postgres

# A busy machine makes any example slow; what must end in time says so itself.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser):
    parser.addoption(
        "--engine",
        default="local",
        metavar="local|host:port",
        help="where tests marked `engine` find an engine: the local one, or a gateway's address",
    )
    parser.addoption("--uvloop", action="store_true", help="run the tests on uvloop's event loop")


class OnUvloop:
    """Has the tests run on the event loop that a runtime uses where it is installed."""

    def pytest_asyncio_loop_factories(self, config, item):
        import uvloop  # noqa: PLC0415 - only those who ask for it need it

        return {"uvloop": uvloop.new_event_loop}


def pytest_configure(config):
    if config.getoption("--uvloop"):
        config.pluginmanager.register(OnUvloop())


@pytest.hookimpl(wrapper=True)  # before pytest-xdist, which reads the groups in the same hook
def pytest_collection_modifyitems(items):
    """Keep the tests of a file in one process when several run, and those of the Modeler, which share its build."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            group = "modeler" if item.get_closest_marker("modeler") else item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(group))
    return (yield)


def pytest_collection_finish(session):
    """Obtain what the chosen tests need before the first one, whose time limit a download would break."""
    if session.config.option.collectonly:
        return
    if any({"stores", "postgresql"} & set(getattr(item, "fixturenames", ())) for item in session.items):
        postgres.why_not()  # which obtains it


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server for the whole session."""
    if reason := postgres.why_not():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with postgres.Postgres() as server:
        yield server
