"""The operator's network rules: from wherever settings may stand, and never lost."""

import ipaddress

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web import HttpClient, NetworkRules


def environment(tmp_path, dotenv):
    (tmp_path / ".env").write_text(dotenv)
    return Environment.load({}, directory=tmp_path)


async def test_rules_from_the_env_file(tmp_path):
    """A rule in `.env` holds like one in the process environment: it must not be overlooked."""
    env = environment(
        tmp_path,
        "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED=true\n"
        "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ALLOW_RANGES=10.0.0.0/8, 192.0.2.1\n"
        "CAMUNDA_CONNECTOR_HTTP_BLOCK_PORT_internal=9600\n"
        "CONNECTOR_HTTPS_PROXY_HOST=proxy\nCONNECTOR_HTTPS_PROXY_PORT=3128\n",
    )
    clients = services_of(Settings.read(env), env).clients
    rules = (await HttpClient.shared(clients)).rules
    assert rules.hosts.enabled
    assert rules.hosts.allows(ipaddress.ip_address("10.1.1.1"))
    assert rules.blocked_ports == (("internal", 9600),)
    assert rules.proxy_for("https", "example.com").url == "http://proxy:3128"
    assert rules.proxy_for("http", "example.com") is None
    await clients.aclose()


async def test_rules_are_not_pushed_out(tmp_path):
    """However many clients there are, the rules stay."""
    clients = ClientCache(max_clients=2, preset={RULES: NetworkRules(hosts=HostRules(enabled=True))})
    for number in range(5):
        await clients.get(number, object)
    assert (await clients.get(RULES, NetworkRules)).hosts.enabled
    await clients.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        "CONNECTOR_HTTP_PROXY_HOST=p\nCONNECTOR_HTTP_PROXY_PORT=many",
        "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_DENYRANGES=nets",
        "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE=big",
    ],
)
def test_wrong_rule_stops_the_start(tmp_path, wrong):
    """A rule that cannot be read is told at the start, by its name."""
    env = environment(tmp_path, wrong)
    with pytest.raises(SettingsError, match=wrong.splitlines()[-1].partition("=")[0]):
        services_of(Settings.read(env), env)


@pytest.mark.parametrize(
    ("address", "rules", "allowed"),
    [
        ("8.8.8.8", HostRules(enabled=True), True),
        ("8.8.8.8", HostRules(enabled=True, deny=[ipaddress.ip_network("8.0.0.0/8")]), False),
        ("10.0.0.1", HostRules(enabled=True), False),
        ("10.0.0.1", HostRules(enabled=True, private=True), True),
        ("10.0.0.1", HostRules(enabled=True, private=True, deny=[ipaddress.ip_network("10.0.0.0/8")]), False),
        ("127.0.0.1", HostRules(enabled=True, loopback=True), True),
        ("127.0.0.1", HostRules(enabled=True, private=True), False),
        ("::ffff:10.0.0.1", HostRules(enabled=True), False),
        ("169.254.1.1", HostRules(enabled=True, private=True, loopback=True), False),
        ("169.254.1.1", HostRules(enabled=True, allow=[ipaddress.ip_network("169.254.0.0/16")]), True),
        ("fd00::1", HostRules(enabled=True, private=True), True),
        ("2606:4700::1", HostRules(enabled=True), True),
        ("127.0.0.1", HostRules(), True),
    ],
)
def test_allowed_addresses(address, rules, allowed):
    """The order of the rules: always refused kinds, allowed ranges, denied ranges, private ones, reserved ones."""
    assert rules.allows(ipaddress.ip_address(address)) is allowed


@pytest.mark.parametrize("url", ["http://127.1/", "http://2130706433/", "http://[::1]/"])
def test_short_forms(url):
    """Addresses in the short forms that the system's calls take are checked like the long ones."""
    with pytest.raises(InputError):
        NetworkRules(hosts=HostRules(enabled=True)).check(url)
