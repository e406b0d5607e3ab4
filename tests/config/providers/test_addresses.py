"""Whatever a task gives, an address stays on the provider's hosts and below its base."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.config.providers import AddressError, Variable
from zeebe_connectors.config.providers.addresses import (
    check_base,
    check_host,
    filled_host,
    filled_name,
    filled_path,
    filled_url,
    joined,
)

BASE = "https://erp.example.com/api/"


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        (BASE, "orders", "https://erp.example.com/api/orders"),
        (BASE, "/orders", "https://erp.example.com/api/orders"),
        (BASE, "//orders".lstrip("/"), "https://erp.example.com/api/orders"),
        (BASE.rstrip("/"), "orders/7?x=1&y=a/b", "https://erp.example.com/api/orders/7?x=1&y=a/b"),
        (BASE.rstrip("/"), "/orders/", "https://erp.example.com/api/orders/"),
        (BASE, "", BASE),
        (BASE.rstrip("/"), "", BASE.rstrip("/")),
        (BASE, "?page=2", "https://erp.example.com/api/?page=2"),
        ("https://erp.example.com", "orders", "https://erp.example.com/orders"),
        (BASE, "https://erp.example.com/api/orders", "https://erp.example.com/api/orders"),
        (BASE, "https://erp.example.com/api", BASE),
        (BASE, "https://erp.example.com/api?page=2", "https://erp.example.com/api/?page=2"),
        (BASE, "a..b/c.", "https://erp.example.com/api/a..b/c."),
        (BASE, "orders:search?x=1", "https://erp.example.com/api/orders:search?x=1"),
        (BASE, "orders/7:cancel", "https://erp.example.com/api/orders/7:cancel"),
    ],
)
def test_base_and_path_join_whatever_the_slashes(base, path, expected):
    assert joined(base, path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "../admin", "orders/../../admin", "/..", "..", "./orders", "%2e%2e/admin", "%2E./admin", "..%2fadmin",
        "orders/%252e%252e/admin", "..\\admin", "orders\\..\\x", "..;/admin", "..;x=1/admin", "orders/\r\nHost: evil",
        "https://evil.example.org/", "//evil.example.org/", "http:evil", "file:///etc/passwd",
        "https://erp.example.com.evil.org/api/", "https://erp.example.com/api/../admin", "https://erp.example.com/other",
        "https://erp.example.com/apix", "https://erp.example.com/api@evil.example.org/",
        "%0d%0aHost:evil", "x%00y", "orders?x=1\r\nHost: evil", "?\x00evil", "orders/..;/..%5cevil",
    ],
)  # fmt: skip
def test_no_path_leaves_the_base(path):
    """Also not when a server, or a proxy before it, decodes twice."""
    with pytest.raises(AddressError) as caught:
        joined(BASE, path)
    assert "evil" not in str(caught.value)


@given(st.text(max_size=40))
def test_whatever_a_path_holds_it_stays_below_the_base(path):
    try:
        url = joined(BASE, path)
    except AddressError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.hostname, parts.port) == ("https", "erp.example.com", None)
    assert parts.path.startswith("/api/")
    assert ".." not in unquote(parts.path).split("/")


@given(st.text(max_size=40))
def test_whatever_fills_a_placeholder_is_one_label_or_one_segment(text):
    template = "https://${region}.example.com/${area}/x/"
    try:
        url = filled_url(template, {}, {"region": "eu", "area": text})
    except AddressError:
        pass
    else:
        assert url.count("/") == template.count("/")
        assert urlsplit(url).hostname == "eu.example.com"
        assert unquote(urlsplit(url).path.split("/")[1]) == text
    try:
        url = filled_url(template, {}, {"region": text, "area": "a"})
    except AddressError:
        return
    host = urlsplit(url).hostname
    assert host.endswith(".example.com")
    assert host.count(".") == 2


@pytest.mark.parametrize(
    "value", ["evil.org/", "a.b", "evil.org#", "x@evil", "-x", "", None, "a:80", "a%2eb", "ünï", "${x}", True, ["a"]]
)
def test_a_host_takes_one_label_only(value):
    with pytest.raises(AddressError):
        filled_url("https://${region}.example.com/", {}, {"region": value})
    with pytest.raises(AddressError):
        filled_host("${region}.example.com", {}, {"region": value})


@pytest.mark.parametrize(
    "value", ["..", ".", "x/../../y", "..%2f..%2fy", "%2e%2e", "%252e%252e%252fy", "a\\..\\b", " .. ", "..;x", "a/./b"]
)
@pytest.mark.parametrize("kind", [None, "path"])
def test_no_value_of_a_segment_leads_up(value, kind):
    """Encoded it would be one segment; but a server that decodes before it looks for steps would go up."""
    declared = {"area": Variable(kind=kind)}
    with pytest.raises(AddressError, match=r"providerValues.area: must be one segment"):
        filled_url("https://erp.example.com/${area}/", declared, {"area": value})
    with pytest.raises(AddressError):
        filled_path("/orders/${area}/lines", declared, {"area": value})


@pytest.mark.parametrize(
    "path", ["%c0%ae%c0%ae/x", "x/%e0%80%ae%e0%80%ae/y", "%25c0%25ae./x", "\uff0e\uff0e/x", "\u2025/x"]
)
def test_no_other_writing_of_a_dot_leads_up(path):
    """Overlong UTF-8, and dots of full width, which some servers fold."""
    with pytest.raises(AddressError, match="leaves the provider's address"):
        joined("https://erp.example.com/api/", path)
    with pytest.raises(AddressError):
        filled_url("https://erp.example.com/${a}/", {"a": Variable(kind="path")}, {"a": path})


@pytest.mark.parametrize(
    "host", ["${x}", "${x}:8443", "${x}example.com", "a-${x}com", "erp.${x}", "${x}.com", "${x}.${y}", "${x}..com"]
)
def test_no_task_chooses_the_domain(host):
    """The credentials would go to whoever has that domain."""
    with pytest.raises(AddressError):
        check_base(f"https://{host}/", "https", {}, dynamic=False)
    if ":" not in host:
        with pytest.raises(AddressError):
            check_host(host, {})


@pytest.mark.parametrize(
    "host",
    [
        "${x}.example.com",
        "a-${x}.example.com:8443",
        "${x}.${y}.example.com",
        "${x}.localhost",
        "${x}-api.example.com",
        "${x}2.example.com",
    ],
)
def test_a_task_may_choose_a_host_of_a_domain(host):
    check_base(f"https://{host}/", "https", {}, dynamic=False)
    chosen = {name: Variable(choices=["a"]) for name in "xy"}
    check_base("https://erp.${x}/", "https", chosen, dynamic=False)


@pytest.mark.parametrize(
    "url", ["https://h.example.com/${x", "https://h.example.com/${}/", "https://h.example.com/${a-b}/",
            "https://h.example.com/a b/", "https://h.example.com:0/", "https://h..example.com/"]
)  # fmt: skip
def test_addresses_that_are_none(url):
    with pytest.raises(AddressError, match="url: "):
        check_base(url, "https", {}, dynamic=False)


def test_what_only_looks_like_a_step_is_a_value():
    for value, encoded in (("50%", "50%25"), ("a..b", "a..b"), ("...", "..."), ("1.2", "1.2"), ("%", "%25")):
        assert filled_url("https://h/${a}/", {}, {"a": value}) == f"https://h/{encoded}/"
    declared = {"a": Variable(kind="path")}
    assert filled_url("https://h/${a}/", declared, {"a": "/x//y/"}) == "https://h/x/y/"


@pytest.mark.parametrize("url", ["https://b\u00fccher.example/", "https://b\u00fccher.${a}.example/"])
def test_a_host_beyond_ascii_is_refused_with_its_form(url):
    with pytest.raises(AddressError, match="xn--"):
        check_base(url, "https", {}, dynamic=False)


def test_what_the_operator_declares_is_kept():
    """Choices, defaults, and paths of several segments."""
    variables = {"region": Variable(choices=["eu", "us"], default="eu"), "area": Variable(kind="path")}
    url = "https://${region}.example.com/${area}/"
    assert filled_url(url, variables, {"area": "a/b c"}) == "https://eu.example.com/a/b%20c/"
    with pytest.raises(AddressError, match="must be one of eu, us"):
        filled_url(url, variables, {"region": "jp", "area": "a"})
    with pytest.raises(AddressError, match="one segment of a path"):
        filled_url(url, variables, {"area": "a/../b"})


def test_a_whole_address_leads_to_allowed_hosts_only():
    hosts = ["*.example.com"]
    assert filled_url("${url}", {}, {"url": "https://a.example.com/x"}, hosts=hosts) == "https://a.example.com/x"
    assert joined(BASE, "https://b.example.com/y", hosts=hosts) == "https://b.example.com/y"
    for wrong in (
        "https://evil.org/",
        "https://u@a.example.com/",
        "ftp://a.example.com/",
        "https://a.example.com\\@x/",
    ):
        with pytest.raises(AddressError):
            filled_url("${url}", {}, {"url": wrong}, hosts=hosts)
    with pytest.raises(AddressError, match="must begin with https"):
        joined(BASE, "http://b.example.com/y", hosts=hosts)


def test_an_operations_path_is_filled_encoded():
    path = filled_path("/orders/${id}/lines?state=${state}", {}, {"id": "a/b", "state": "x&y=1"})
    assert path == "/orders/a%2Fb/lines?state=x%26y%3D1"
    with pytest.raises(AddressError, match="is required"):
        filled_path("/orders/${id}", {}, {})


def test_a_whole_address_is_as_encrypted_as_the_provider():
    """A task that writes http:// would send the credentials in clear."""
    hosts = ["*.example.com"]
    for protocol, url in (
        ("https", "https://a.example.com/x"),
        ("http", "http://a.example.com/"),
        ("http", "https://a.example.com/"),
    ):
        assert filled_url("${url}", {}, {"url": url}, hosts=hosts, protocol=protocol) == url
    with pytest.raises(AddressError, match=r"providerValues.url: must begin with https://"):
        filled_url("${url}", {}, {"url": "http://a.example.com/"}, hosts=hosts, protocol="https")


def test_the_name_of_a_database_or_folder_is_one_name():
    assert filled_name("${tenant}_orders", {}, {"tenant": "a b"}) == "a b_orders"
    assert filled_name("/in/${a}", {"a": Variable(kind="path")}, {"a": "x/y"}) == "/in/x/y"
    for wrong in ("a/b", "..", "a\\b", "%2e%2e", ""):
        with pytest.raises(AddressError, match=r"providerValues.tenant: "):
            filled_name("/in/${tenant}", {}, {"tenant": wrong})
