"""`providers.yaml`: what is wrong in it is told with line and remedy, and its schema agrees with what reads it."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from zeebe_connectors.config.providers import (
    ProviderError,
    ProvidersFileError,
    database_urls,
    names,
    provider_of,
)
from zeebe_connectors.config.providers.file import read_text
from zeebe_connectors.config.providers.schema import schema

GOOD = """\
x-common: &common
  authentication: {type: basic, username: caller, password: "{{secrets.ERP}}"}
providers:
  erp:
    protocol: https
    tags: [orders, finance]
    description: The ERP
    documentation: https://erp.example.com/docs
    variables:
      region: {choices: [eu, us], default: eu}
    rules: {minDelayMs: 250, maxPerSecond: 10, maxConcurrent: 4}
    operations:
      createOrder: {name: Create order, method: POST, path: "/orders/${customer}"}
    environments:
      test:
        <<: *common
        url: https://test-${region}.example.com/api/
      live:
        <<: *common
        url: https://${region}.example.com/api/
        proxy: {url: "http://proxy.example.com:3128", username: p, password: canary-proxy}
  mail:
    protocol: smtp
    environments:
      test: {host: localhost, port: 1025, security: none}
      live: {host: smtp.example.com, authentication: {type: basic, username: m, password: canary-mail}}
  old:
    protocol: rdcp://
    environments: {live: {url: "rdcp://db.example.com:5432/orders"}}
"""


def test_a_file_is_read_with_its_lines():
    found = read_text(GOOD)
    assert dict(found.lines) == {"erp": 4, "mail": 22, "old": 27}
    erp = found.providers["erp"]
    assert erp.environments["live"].authentication["password"] == "{{secrets.ERP}}"
    assert erp.rules.max_per_second == 10
    assert found.providers["old"].protocol == "database"
    assert "canary" not in repr(found)


def test_a_provider_with_rules_and_no_number_gets_five_a_second():
    text = "providers: {x: {protocol: http, environments: {t: {url: 'http://x.example.com/'}}, rules: {}}}"
    assert read_text(text).providers["x"].rules.max_per_second == 5


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("    protocol: https", "    protokol: https", 5, "did you mean protocol?"),
        ("minDelayMs", "minDelay", 11, "did you mean minDelayMs?"),
        ("minDelayMs: 250", "minDelayMs: 5001", 11, "must be at most 5000"),
        ("        url: https://${region}", "        urll: https://${region}", 20, "did you mean url?"),
        ("providers:\n", "provider:\n", 3, "did you mean providers?"),
        ("port: 1025", "port: 70000", 25, "must be at most 65535"),
        ("  mail:", "  erp:", 22, "is there twice"),
        ("protocol: smtp", "protocol: smpt", 23, "must be one of"),
        ("https://test-", "http://test-", 17, "must begin with https://"),
        ("tags: [orders", "tags: [orders, [", 6, "is not YAML"),
        ("choices: [eu, us]", "chioces: [eu, us]", 10, "did you mean choices?"),
        ("region: {", "regoin: {", 10, "no address has a placeholder"),
        ('path: "/orders', 'path: "/../orders', 13, "leaves the provider's address"),
        ("https://test-${region}.example.com/api/", "https://u:p@x.example.com/", 17, "under authentication"),
        ("username: m, password", "usernam: m, password", 26, "did you mean username?"),
        ("authentication: {type: basic, username: m", "tls: {trustedCertficate: x}, authentication: {type: basic", 26,
         "did you mean trustedCertificate?"),
        ("      live: {host: smtp", "      1live: {host: smtp", 24, "begin with a letter"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_its_line(before, after, line, says):
    """And what a value is never stands in the message."""
    assert before in GOOD
    with pytest.raises(ProvidersFileError) as caught:
        read_text(GOOD.replace(before, after, 1), "providers.yaml")
    text = str(caught.value)
    assert text.startswith(f"providers.yaml:{line}: "), text
    assert says in text
    assert "canary" not in text


def test_a_name_that_only_another_package_s_connector_reads_is_no_slip(monkeypatch):
    """Whatever it resembles; and what resembles nothing may be read by one that is not installed here."""
    text = GOOD.replace("username: m", "usernames: m, colour: red")
    with pytest.raises(ProvidersFileError, match="did you mean username"):
        read_text(text)
    monkeypatch.setattr(names, "installed_names", lambda: {"authentication": {"usernames"}})
    assert read_text(text).providers["mail"].environments["live"].authentication["usernames"].reveal() == "m"


_SECURED = """providers:
  erp:
    protocol: https
    environments:
      live:
        url: https://erp.example.com/
        authentication: {type: basic, username: u, password: VALUE}
"""


@pytest.mark.parametrize(
    "value",
    ["0123", "12:30:45", "1_000", "yes", "off", "2026-01-02", "0x1F", "1e5", "+5", ".5", "12345678901234567890",
     "2026-99-99", "2026-01-01T99:00:00Z", "0x_", "0b_", "=", "<<", pytest.param("1" * 5000, id="5000 digits")],
)  # fmt: skip
def test_a_password_is_what_is_written(value):
    """YAML 1.1 makes other numbers, times and truths of these."""
    found = read_text(_SECURED.replace("VALUE", value)).providers["erp"].environments["live"]
    assert found.authentication["password"].reveal() == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{{secrets.X}}", "in quotes"),
        ("[a]", "in quotes"),
        ("true", "in quotes"),
        ("{a: b}", "in quotes"),
        ("!!set {a}", "in quotes"),
        ("!python/tuple [a]", "in quotes"),
    ],
)
def test_a_password_that_is_no_text(value, says):
    with pytest.raises(ProvidersFileError, match=says) as caught:
        read_text(_SECURED.replace("VALUE", value))
    assert str(caught.value).startswith("providers.yaml:7: ")


def test_names_are_what_is_written():
    found = read_text(_SECURED.replace("erp:", "no:").replace("live:", "on:"))
    assert list(found.providers) == ["no"]
    assert list(found.providers["no"].environments) == ["on"]
    rules = "    rules: {enabled: no, maxPerSecond: .5, minDelayMs: 0010}\n"
    assert read_text(_SECURED + rules).providers["erp"].rules.model_dump()["min_delay_ms"] == 10
    assert read_text(_SECURED + rules).providers["erp"].rules.enabled is False


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (_SECURED.replace("VALUE", "\xfc").encode("latin-1"), "UTF-8"),
        (_SECURED.encode("utf-16-le"), "UTF-8"),
        (_SECURED + "\0", "UTF-8"),
        ("x-a: &a\n  b: *a\n", "anchor holds itself"),
        ("providers:\n  erp:\n", "erp: must be a mapping"),
        ('providers:\n  "": {}\n', "empty name"),
        ("providers:\n  ~: {}\n", "not a valid name"),
        ("providers:\n  ? [a]\n  : {}\n", "a name must be text"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data, says):
    with pytest.raises(ProvidersFileError, match=says):
        read_text(data)


def test_anchors_that_unfold_beyond_measure_are_refused():
    bomb = "x-a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"x-{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises(ProvidersFileError, match="fewer anchors"):
        read_text(bomb)


def test_the_schema_agrees_with_the_reader():
    validator = Draft202012Validator(schema())
    validator.check_schema(schema())
    good = yaml.safe_load(GOOD.replace("rdcp://\n", "database\n"))
    assert list(validator.iter_errors(good)) == []
    for before, after in (("protocol: https", "protokol: https"), ("minDelayMs", "minDelay"), ("smtp\n", "smpt\n")):
        bad = yaml.safe_load(GOOD.replace("rdcp://\n", "database\n").replace(before, after, 1))
        assert list(validator.iter_errors(bad)), after
    assert json.dumps(schema())


def test_the_schema_beside_the_documentation_is_this_one():
    """Editors are pointed to it; `zeebe-connectors providers schema > docs/providers.schema.json` writes it anew."""
    written = Path(__file__).parents[3] / "docs" / "providers.schema.json"
    assert json.loads(written.read_text()) == schema()


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("jdbc:mariadb://db.example.com:3306/orders", "mariadb://db.example.com:3306/orders"),
        ("JDBC:postgresql://db.example.com/orders", "postgresql://db.example.com/orders"),
        ("rdcp:jdbc:mysql://db.example.com/orders", "mysql://db.example.com/orders"),
        ("rdcp:mysql://db.example.com/orders", "mysql://db.example.com/orders"),
        ("jdbc:oracle:thin:@//db.example.com:1521/orders", "oracle://db.example.com:1521/orders"),
        ("jdbc:oracle:thin:@db.example.com/orders", "oracle://db.example.com/orders"),
        (
            "jdbc:sqlserver://db.example.com:1433;encrypt=true;trustServerCertificate=false;databaseName=orders",
            "sqlserver://db.example.com:1433/orders",
        ),
        ("jdbc:sqlserver://db.example.com;portNumber=1444;databaseName=o", "sqlserver://db.example.com:1444/o"),
        ("jdbc:sqlserver://;serverName=db.example.com;databaseName={o}", "sqlserver://db.example.com/o"),
        ("jdbc:sqlserver://[::1]:1444;database=o", "sqlserver://[::1]:1444/o"),
        ("jdbc:oracle:thin:@tcps://db.example.com:1522/orders", "oracle://db.example.com:1522/orders"),
        ("jdbc:oracle:thin:@//db.example.com:1521/orders:dedicated", "oracle://db.example.com:1521/orders"),
        ("jdbc:sqlite:/var/orders.db", "sqlite:////var/orders.db"),
        ("sqlite:orders.db", "sqlite:///orders.db"),
        ("rdcp://db.example.com:5432/orders", "rdcp://db.example.com:5432/orders"),
    ],
)
def test_older_addresses_of_databases_are_read(url, read):
    provider = provider_of({"protocol": "database", "environments": {"live": {"url": url}}}, name="erp")
    assert provider.environments["live"].url == read


@pytest.mark.parametrize(
    ("before", "after", "line", "meant"),
    [
        ("minDelayMs: 250", "min_delay_ms: 250", 11, "minDelayMs"),
        ("    tags: [orders, finance]", "    dynamic_hosts: [x.example.com]", 6, "dynamicHosts"),
        ("{host: localhost,", "{ws_security: {password: canary-x}, host: localhost,", 25, "wsSecurity"),
    ],
)
def test_names_are_those_of_the_document_alone(before, after, line, meant):
    """Under any other, a secured value would not be found, and stored and shown as it is."""
    with pytest.raises(ProvidersFileError) as caught:
        read_text(GOOD.replace(before, after, 1), "providers.yaml")
    assert str(caught.value).startswith(f"providers.yaml:{line}: ")
    assert f"did you mean {meant}?" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"authentication": {"token": "canary"}}, "authentication: type: is required"),
        ({"authentication": {"identity": "gw", "key": "canary"}}, "such as basic, bearer, psk or none"),
        ({"wsSecurity": {"password": "canary", "username": "u"}}, "wsSecurity: authentication: is required; write"),
    ],
)
def test_a_login_says_its_kind(section, says):
    """Otherwise it would be none at all, without a word."""
    with pytest.raises(ProviderError) as caught:
        provider_of({"protocol": "http", "environments": {"live": {"url": "http://h.example.com/", **section}}})
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    fine = {"url": "http://h.example.com/", "authentication": {"username": "u", "password": "p"}}
    provider_of({"protocol": "http", "environments": {"live": fine}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"environments": {}}, "erp.environments: must not be empty; add one"),
        ({"tags": "orders"}, "erp.tags: must be a list; write it like [one, other]"),
        ({"active": "perhaps"}, "erp.active: must be true or false"),
        ({"rules": {"maxPerSecond": "many"}}, "erp.rules.maxPerSecond: must be a number"),
        ({"rules": {"maxConcurrent": 1.5}}, "erp.rules.maxConcurrent: must be a whole number"),
        ({"rules": {"maxPerSecond": True}}, "erp.rules.maxPerSecond: must be a number"),
        ({"rules": {"minDelayMs": True}}, "erp.rules.minDelayMs: must be a number"),
        ({"rules": {"maxConcurrent": False}}, "erp.rules.maxConcurrent: must be a number"),
        ({"rules": {"shareOf": True}}, "erp.rules.shareOf: must be a number"),
        ({"rules": {"shareOf": 0}}, "erp.rules.shareOf: must be at least 1"),
        ({"egress": {"ports": [443, True]}}, "erp.egress.ports.1: must be a number"),
        ({"dynamicHosts": ["*.co.uk"]}, "dynamicHosts: anybody may have a host below co.uk"),
        ({"environments": {"t": {"url": "http://h.example.com/", "proxy": {"url": "http://p", "password": True}}}},
         "proxy.password: must be text; put it in quotes"),
        ({"environments": {"t": {"url": "http://h.example.com/", "tls": {"keystore": {"keystorePassword": [1]}}}}},
         "keystorePassword: must be text; put it in quotes"),
        ({"documentation": "wiki"}, "erp.documentation: must be a link; write it like https://"),
        ({"description": 7}, "erp.description: must be text; put it in quotes"),
        ({"environments": {"t": {"url": "http://h.example.com/", "proxy": {"url": "http://u:p@proxy:3128"}}}},
         "proxy.url: must be the proxy's address, like http://proxy.example.com:3128; user and password"),
    ],
)  # fmt: skip
def test_a_wrong_value_says_what_is_right(change, says):
    document = {"protocol": "http", "environments": {"t": {"url": "http://h.example.com/"}}, **change}
    with pytest.raises(ProviderError) as caught:
        provider_of(document, name="erp")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "environment", "says"),
    [
        ("imap", {"url": "imaps://mail.example.com/"}, "url: must begin with imap://"),
        ("smtp", {"url": "smtp://mail.example.com:25/in"}, "url: must end after host and port; smtp has no path there"),
        ("coap", {"url": "coap://h.example.com/floor"}, "coap has no path there"),
        ("database", {"url": "jdbc:oracle:thin:@db.example.com:1521:ORCL"}, "names no service"),
        ("database", {"url": "jdbc:oracle:thin:me/canary@//db.example.com/orders"}, "under authentication"),
        ("database", {"url": "jdbc:sqlserver://db.example.com;user=me;password=canary"}, "under authentication"),
        ("database", {"url": "jdbc:sqlserver://h;databaseName=o;accessToken=canary"}, "under authentication"),
        ("database", {"url": "jdbc:sqlserver://h;databaseName=o;clientKeyPassword=canary"}, "under authentication"),
        ("database", {"url": "jdbc:sqlserver://h;databaseName=o;encrypt=false"}, "encryption is set by security"),
        ("database", {"url": "jdbc:sqlserver://h;databaseName=o;loginTimeout=canary"}, "are not read; remove them"),
        (
            "database",
            {"url": "jdbc:sqlserver://db.example.com;instanceName=a;databaseName=o"},
            "write its port instead",
        ),
        ("database", {"url": "jdbc:postgresql://db.example.com/orders?sslmode=require"}, "set by security"),
        ("database", {"url": "sqlite://"}, "names no file"),
        ("database", {"url": "db2://db.example.com/orders"}, "url: begins with a scheme that no connector for"),
        ("database", {"url": "jdbc:db2://db.example.com/orders"}, "write one of postgresql://, mysql://"),
        ("database", {"url": "https://db.example.com/orders"}, "url: begins with a scheme that no connector for"),
        ("smtp", {"url": "smtp://mail.example.com:25", "port": 26}, "port: the url names another one"),
        ("smtp", {"host": "mail.example.com", "port": True}, "port: must be a number"),
        ("smtp", {"host": "${x}.co.uk"}, "host: a task could choose the domain by ${x}"),
        ("http", {"url": "http://${x}.com.au/"}, "a domain of your own such as .example.com"),
        ("http", {"url": "http://${x}.0.0.1/"}, "url: a task could choose the domain by ${x}"),
        ("http", {"url": "http://${x}.0.0x1/"}, "url: a task could choose the domain by ${x}"),
    ],
)
def test_an_address_that_would_not_be_read_as_it_is_meant(protocol, environment, says):
    with pytest.raises(ProviderError) as caught:
        provider_of({"protocol": protocol, "environments": {"live": environment}}, name="erp")
    assert str(caught.value).startswith("erp")
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


def test_one_environment_may_be_better_protected_than_the_protocol_demands():
    """Many test systems have no TLS; the other way round, credentials would go in clear by mistake."""
    urls = {"test": {"url": "http://t.example.com/"}, "live": {"url": "https://l.example.com/"}}
    assert provider_of({"protocol": "http", "environments": urls}).protocol == "http"
    with pytest.raises(ProviderError, match="url: must begin with https://, as"):
        provider_of({"protocol": "https", "environments": urls})
    with pytest.raises(ProviderError, match="url: must begin with http:// or https://, as"):
        provider_of({"protocol": "http", "environments": {"test": {"url": "ftp://t.example.com/"}}})


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_soap_is_over_what_its_address_says(scheme):
    there = {"live": {"url": f"{scheme}://erp.example.com/ws"}}
    assert provider_of({"protocol": "SOAP", "environments": there}).protocol == scheme


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ({"path": "https://elsewhere.example.com/x"}, "operations.send.path: is a whole address; write only the path"),
        ({"path": "//elsewhere/x"}, "operations.send.path: is a whole address"),
        ({"path": "/x/${a}", "inputs": {"b": {}}}, "operations.send.inputs.b: its path has no placeholder ${b}"),
    ],
)
def test_an_operation_that_no_task_could_carry_out(operation, says):
    document = {
        "protocol": "http",
        "environments": {"t": {"url": "http://h.example.com/"}},
        "operations": {"send": operation},
    }
    with pytest.raises(ProviderError) as caught:
        provider_of(document, name="erp")
    assert says in str(caught.value)


@pytest.mark.parametrize("listed", ["[]", "''", "false", "0", "[erp]"])
def test_what_lists_no_providers_removes_none(listed):
    """Only `{}` and nothing say that there are none."""
    with pytest.raises(ProvidersFileError, match=r"^providers\.yaml:1: providers must be a mapping by name; write"):
        read_text(f"providers: {listed}")
    assert not read_text("providers:").providers


@pytest.mark.parametrize("host", ["${x}.example.co.uk", "${x}.co.example.com", "${x}.com.example", "${x}.localhost"])
def test_a_domain_that_somebody_has(host):
    """A registry's label counts only right below a country's."""
    provider_of({"protocol": "smtp", "environments": {"t": {"host": host}}})


def test_a_database_of_another_package_s_connector(monkeypatch):
    document = {"protocol": "database", "environments": {"t": {"url": "jdbc:db2://db.example.com/orders"}}}
    monkeypatch.setattr(database_urls, "installed_words", lambda source: {"db2"} if source == "options.scheme" else {})
    assert provider_of(document).environments["t"].url == "db2://db.example.com/orders"
