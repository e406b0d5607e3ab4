"""What all tests share: which engine those marked `engine` run against, and that what they need can be had."""

import gc
import os
from collections import Counter

import hypothesis
import pytest
from tests.servers import postgres

# Without this, gRPC's core, which the tests use beside our own, writes a line for each connection that ends.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# A busy machine makes any example slow; what must end in time says so itself.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


# Groups of tests, by the beginning of their names, that take more than ten seconds: the longest first
LONG = (
    "modeler",
    "tests/integration/hostile/",
    "tests/cli/test_commands.py",
    "tests/examples/",
    "tests/engine/test_kill.py",
    "tests/integration/",
    "tests/connectors/smtp/test_once.py",
    "tests/feel/test_limits.py",
    "tests/admin/test_api.py",
    "tests/connectors/files/",
    "tests/admin/test_page_browser.py",
    "tests/connectors/coap/",
    "tests/connectors/sql/",
    "tests/docs/test_site.py",
    "usual ports",
    "tests/runtime/outbound/test_worker.py",
    "tests/connectors/imap/",
    "tests/connectors/email/",
    "tests/connectors/pop3/",
    "tests/admin/",
    "tests/connectors/soap/test_cxf.py",
    "tests/engine/model/test_verdicts.py",
    "tests/runtime/providers/",
    "tests/runtime/ledger/",
    "tests/mail/reading/smime/",
    "tests/connectors/test_canary.py",
    "tests/connectors/smtp/",
    "tests/test_architecture.py",
    "tests/templates/",
    "tests/runtime/test_supervisor.py",
    "tests/feel/test_random.py",
)


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
    config.option.loadscopereorder = False  # several processes take the tests in the order below
    if config.getoption("--uvloop"):
        config.pluginmanager.register(OnUvloop())


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect without looking for garbage: nothing is thrown away yet."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # modules and tests stay until the end: no test need look through them either
        gc.set_threshold(10_000)  # as `zeebe-connectors run` has it
        gc.enable()


def pytest_make_parametrize_id(val):
    """Name a long value by its beginning: each test process sends all names to the first one, several times."""
    return repr(val[:60]) if isinstance(val, str | bytes) and len(val) > 200 else None


@pytest.hookimpl(wrapper=True)  # before pytest-xdist, which reads the groups in the same hook
def pytest_collection_modifyitems(config, items):
    """Keep the tests of a file in one process when several run, and those of the Modeler, which share its build.

    What takes long begins first, so that no process works alone at the end; after it, the largest files.
    """
    sizes: Counter[str] = Counter()
    groups = []
    for item in items:
        marker = item.get_closest_marker("xdist_group")
        if marker is None:
            group = "modeler" if item.get_closest_marker("modeler") else item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(group))
        else:
            group = marker.args[0] if marker.args else marker.kwargs["name"]
        sizes[group] += 1
        groups.append(group)
    if hasattr(config, "workerinput"):  # one process alone keeps the order in which people read the files
        order = {group: (_place(group), -size) for group, size in sizes.items()}
        ordered = sorted(zip(groups, items, strict=True), key=lambda pair: (order[pair[0]], pair[0]))
        items[:] = [item for _, item in ordered]
    return (yield)


def _place(group: str) -> int:
    """The group's place among those that take long, or the last one."""
    return next((place for place, start in enumerate(LONG) if group.startswith(start)), len(LONG))


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
