"""The operator's network rules: from wherever settings may stand, and never lost."""

import ipaddress
from urllib.parse import urlsplit

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.net.connect import checked_resolver
from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.net.resolver import CheckedResolver
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.web import HttpClient, HttpRequest, NetworkRules


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
    assert rules.proxies.proxy_for("https", "example.com").url == "http://proxy:3128"
    assert rules.proxies.proxy_for("http", "example.com") is None
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


NETS = [ipaddress.ip_network("10.0.0.0/8")]


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
        *((text, HostRules(enabled=True, allow=NETS, deny=NETS), False) for text in ("10.0.0.1", "::ffff:10.0.0.1")),
        # What IPv6 has for addresses of IPv4: NAT64, 6to4, translated, compatible, ISATAP, Teredo.
        *((f"64:ff9b::{text}", HostRules(enabled=True), False) for text in ("10.0.0.1", "127.0.0.1", "192.168.0.1")),
        ("64:ff9b::8.8.8.8", HostRules(enabled=True), True),
        ("64:ff9b::10.0.0.1", HostRules(enabled=True, private=True), True),
        ("64:ff9b::10.0.0.1", HostRules(enabled=True, private=True, deny=NETS), False),
        ("64:ff9b:1::10.0.0.1", HostRules(enabled=True), False),
        ("2002:0a00:0001::", HostRules(enabled=True), False),
        ("2002:7f00:0001::1", HostRules(enabled=True, private=True), False),
        ("::ffff:0:10.0.0.1", HostRules(enabled=True), False),
        ("::10.0.0.1", HostRules(enabled=True), False),
        ("fe80::5efe:10.0.0.1", HostRules(enabled=True), False),
        ("fec0::1", HostRules(enabled=True), False),
        ("fec0::1", HostRules(enabled=True, private=True), False),
        ("::", HostRules(enabled=True, private=True, loopback=True), False),
        ("::1", HostRules(enabled=True, loopback=True), True),
        ("::ffff:127.0.0.1", HostRules(enabled=True, loopback=True), True),
    ],
)
def test_allowed_addresses(address, rules, allowed):
    """The order of the rules: metadata services, denied ranges, allowed ranges, refused kinds, private ones."""
    assert rules.allows(ipaddress.ip_address(address)) is allowed


@pytest.mark.parametrize("url", ["http://127.1/", "http://2130706433/", "http://[::1]/"])
def test_short_forms(url):
    """Addresses in the short forms that the system's calls take are checked like the long ones."""
    with pytest.raises(InputError):
        NetworkRules(hosts=HostRules(enabled=True)).check(url)


EVERYTHING = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
METADATA = ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "169.254.170.2"]


@pytest.mark.parametrize(
    "rules",
    [
        HostRules(),
        HostRules(enabled=True, private=True, loopback=True, allow=EVERYTHING),
        HostRules(allow=[ipaddress.ip_network("169.254.0.0/16")]),
        HostRules(allow=[ipaddress.ip_network("169.254.169.253")]),
    ],
)
@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_are_refused_whatever_is_set(address, rules):
    """Also as IPv6 has their addresses; a range names none of them."""
    plain = ipaddress.ip_address(address)
    ways = [address]
    if plain.version == 4:
        first, second = f"{int(plain) >> 16:x}", f"{int(plain) & 0xFFFF:x}"
        ways += [f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{first}:{second}::", f"::{address}"]
    for way in ways:
        assert not rules.allows(ipaddress.ip_address(way)), way


@pytest.mark.parametrize("address", METADATA)
def test_a_metadata_service_is_allowed_by_name(address):
    """That very address, and no other."""
    named = HostRules(allow=[ipaddress.ip_network(address)])
    assert named.allows(ipaddress.ip_address(address))
    assert sum(named.allows(ipaddress.ip_address(other)) for other in METADATA) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/",
        "http://169.254.169.254./latest/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0xA9FEA9FE:80/",
        "http://169.254.43518/",
        "http://user:pass@169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
    ],
)
async def test_every_spelling_of_a_metadata_address_is_refused(url):
    """By every protocol, before anything is sent; the message says what the operator may do."""
    with pytest.raises(InputError, match=r"metadata service.*ALLOWRANGES"):
        NetworkRules().check(url)
    host = urlsplit(url).hostname
    kept = ClientCache(preset={RULES: NetworkRules()})
    resolver = await checked_resolver(25, kept)
    with pytest.raises(InputError, match="host: this is the address"):
        await resolver(host)


async def test_names_are_judged_by_what_they_resolve_to():
    """The resolver of HTTP is the policy's whatever is set, and so is that of all other protocols."""
    rules = NetworkRules(hosts=HostRules(deny=[ipaddress.ip_network("127.0.0.0/8")], enabled=True, loopback=True))
    client = HttpClient(rules)
    request = HttpRequest("GET", "http://localhost:9/")
    with pytest.raises(InputError, match="may not be called"):
        await client.send(request, connect=5, read=5, total=5, limit=100)
    await client.aclose()
    resolver = await checked_resolver(9, ClientCache(preset={RULES: rules}))
    with pytest.raises(InputError, match="may not be called"):
        await resolver("localhost")
    free = HttpClient(NetworkRules())
    assert isinstance(free._open()._resolver, CheckedResolver)
    await free.aclose()


BLOCKS = {
    "URL_host": "http://Internal.example.com/",
    "URL_port": "https://shop.example.com:443/admin",
    "URL_address": "http://192.0.2.7",
    "URL_text": "secret-path",
    "PORT_mail": "2525",
    "REGEX_one": r"https?://WIKI\.example\.com(:\d+)?/.*",
}


@pytest.mark.parametrize(
    "url",
    [
        "http://internal.example.com/",
        "http://INTERNAL.example.com/a",
        "HTTP://internal.example.com:80/",
        "http://me:you@internal.example.com/",
        "http://internal.example.com./",
        "https://shop.example.com/admin",
        "https://SHOP.example.com:443/admin?x=1",
        "https://shop.example.com/%61dmin",
        "http://192.0.2.7:8080/",
        "http://3221225991/",
        "http://0300.0.02.07/",
        "http://0xc0000207/",
        "https://x.example.com/SECRET-path",
        "http://x.example.com:2525/",
        "https://wiki.example.com/x",
        "https://Wiki.example.com:443/x",
        "https://u@wiki.example.com/x",
    ],
)
def test_block_lists_compare_what_is_meant(url):
    """Not how it is spelled: case, other notations of addresses, user names, default ports, needless escapes."""
    rules = NetworkRules.from_environment({f"CAMUNDA_CONNECTOR_HTTP_BLOCK_{k}": v for k, v in BLOCKS.items()})
    with pytest.raises(InputError, match="Block Name"):
        rules.check(url)


@pytest.mark.parametrize("url", ["http://external.example.com/", "https://shop.example.com/", "http://192.0.2.8/"])
def test_block_lists_leave_the_rest(url):
    """What is not listed is called."""
    rules = NetworkRules.from_environment({f"CAMUNDA_CONNECTOR_HTTP_BLOCK_{k}": v for k, v in BLOCKS.items()})
    rules.check(url)


@pytest.mark.parametrize(
    ("host", "port"),
    [("Internal.example.com.", 25), ("192.0.2.7", 993), ("0300.0.02.07", 22), ("mx.example.com", 2525)],
)
async def test_block_lists_hold_for_every_protocol(host, port):
    """By host and port."""
    rules = NetworkRules.from_environment({f"CAMUNDA_CONNECTOR_HTTP_BLOCK_{k}": v for k, v in BLOCKS.items()})
    resolver = await checked_resolver(port, ClientCache(preset={RULES: rules}))
    with pytest.raises(InputError, match="Block Name"):
        await resolver(host)


@pytest.mark.parametrize("name", ["metadata.google.internal", "METADATA.google.internal.", "instance-data"])
async def test_a_proxy_is_not_asked_for_a_metadata_service(name):
    """It would resolve the name itself."""
    with pytest.raises(InputError, match="metadata service"):
        await NetworkRules().check_proxied(name)
