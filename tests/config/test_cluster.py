"""The cluster's settings: each name that users know, what follows from what, and mistakes with their remedy."""

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from zeebe_connectors.config.cluster import NAMES, ClusterSettings
from zeebe_connectors.config.environment import Environment, SettingsError

SECRET = "c4n4ry"
CLIENT = {"CAMUNDA_CLIENT_AUTH_CLIENT_ID": "me", "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET": SECRET}
OAUTH = {**CLIENT, "CAMUNDA_CLIENT_AUTH_TOKEN_URL": "https://login.example.com/token"}


def read(**values):
    return ClusterSettings.from_environment(values)


def test_without_settings_it_is_the_local_engine():
    """Nothing to set for development."""
    settings = read()
    assert (settings.address, settings.secure, settings.auth, settings.tenants) == (
        "localhost:26500",
        False,
        "none",
        (),
    )
    assert settings.describe() == ["cluster localhost:26500, plaintext (default)", "not authenticated"]


@pytest.mark.parametrize("name", NAMES["address"])
def test_each_name_of_the_address(name):
    """All are read, and the description says which one was."""
    settings = read(**{name: "http://zeebe:1234"})
    assert settings.address == "zeebe:1234"
    assert name in settings.describe()[0]


@pytest.mark.parametrize(
    "name", ["CAMUNDA_CLIENT_GRPCADDRESS", "camunda.client.grpc-address", "camunda_client_grpc_address"]
)
def test_spellings_of_one_name(name):
    """With and without underscores inside words, as Spring has it."""
    assert read(**{name: "http://zeebe:1234"}).address == "zeebe:1234"


def test_the_newer_name_wins():
    """Camunda's names before the Console's before Zeebe's."""
    settings = read(ZEEBE_ADDRESS="old:1", CAMUNDA_CLIENT_GRPC_ADDRESS="http://new:2")
    assert settings.address == "new:2"


@pytest.mark.parametrize(
    ("text", "address", "secure"),
    [
        ("zeebe", "zeebe:26500", False),
        ("zeebe:443", "zeebe:443", True),
        ("http://zeebe", "zeebe:26500", False),
        ("https://zeebe", "zeebe:443", True),
        ("https://zeebe:26500/", "zeebe:26500", True),
        ("grpcs://zeebe:1", "zeebe:1", True),
        ("grpc://zeebe:443", "zeebe:443", False),
        ("[::1]:26500", "[::1]:26500", False),
    ],
)
def test_forms_of_the_address(text, address, secure):
    """The scheme decides about TLS, and without one the port."""
    settings = read(ZEEBE_ADDRESS=text)
    assert (settings.address, settings.secure) == (address, secure)


def test_plaintext_may_be_set_by_itself():
    """The older clients have a switch for it."""
    assert not read(ZEEBE_ADDRESS="zeebe:443", ZEEBE_INSECURE_CONNECTION="true").secure
    assert read(ZEEBE_ADDRESS="zeebe:26500", ZEEBE_CLIENT_SECURITY_PLAINTEXT="false").secure


@pytest.mark.parametrize("names", [("CLOUD_CLUSTERID", "CLOUD_REGION"), ("CLUSTER_ID", "REGION")])
def test_a_cluster_in_the_cloud(names):
    """Its id and region make the address; token endpoint and audience are known."""
    cluster, region = names
    values = {f"CAMUNDA_CLIENT_{cluster}": "abc", f"CAMUNDA_CLIENT_{region}": "bru-2", "CAMUNDA_CLIENT_MODE": "saas"}
    settings = read(**values, **CLIENT)
    assert settings.address == "abc.bru-2.zeebe.camunda.io:443"
    assert settings.secure
    assert settings.token_url == "https://login.cloud.camunda.io/oauth/token"
    assert settings.audience == "zeebe.camunda.io"


def test_the_names_that_the_console_hands_out():
    """They may be pasted as they are."""
    settings = read(
        ZEEBE_ADDRESS="abc.bru-2.zeebe.camunda.io:443",
        ZEEBE_CLIENT_ID="me",
        ZEEBE_CLIENT_SECRET=SECRET,
        ZEEBE_AUTHORIZATION_SERVER_URL="https://login.cloud.camunda.io/oauth/token",
        ZEEBE_TOKEN_AUDIENCE="zeebe.camunda.io",
    )
    assert settings.secure
    assert settings.auth == "oidc"


def test_basic_authentication_follows_from_a_user():
    """No method needs to be named."""
    settings = read(CAMUNDA_CLIENT_AUTH_USERNAME="demo", CAMUNDA_CLIENT_AUTH_PASSWORD=SECRET)
    assert (settings.auth, settings.username, settings.password) == ("basic", "demo", SECRET)


def test_no_authentication_if_set_so():
    """A method of 'none' wins over credentials that are lying about."""
    settings = read(CAMUNDA_CLIENT_AUTH_METHOD="none", **OAUTH)
    assert (settings.auth, settings.client_secret) == ("none", "")


def test_tenants():
    """A comma-separated list, for polls and streams."""
    assert read(CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANTIDS="a, b,").tenants == ("a", "b")
    assert read(ZEEBE_DEFAULT_JOB_WORKER_TENANT_IDS="c").tenants == ("c",)


def test_certificates_mean_tls(tmp_path):
    """A file of authorities is of no use to plaintext."""
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    assert read(ZEEBE_ADDRESS="zeebe:26500", ZEEBE_CA_CERTIFICATE_PATH=str(ca)).secure
    with pytest.raises(SettingsError, match="https://zeebe:26500"):
        read(ZEEBE_ADDRESS="http://zeebe:26500", ZEEBE_CA_CERTIFICATE_PATH=str(ca))


def test_the_description_names_origins_and_no_secret(tmp_path):
    """What is printed at start may be shown to anyone."""
    environment = Environment(("environment", {"ZEEBE_ADDRESS": "https://zeebe:1"}), (".env", OAUTH))
    settings = ClusterSettings.from_environment(environment)
    text = "\n".join(settings.describe())
    assert "ZEEBE_ADDRESS in environment" in text
    assert "CAMUNDA_CLIENT_AUTH_CLIENT_ID in .env" in text
    assert SECRET not in text + repr(settings)


def test_credentials_go_unencrypted_only_where_somebody_chose_that():
    """No scheme and no setting is no choice; a plain scheme is one, and is said; loopback is nobody's business."""
    with pytest.raises(SettingsError, match="unencrypted"):
        ClusterSettings.from_environment({"ZEEBE_ADDRESS": "zeebe.example.com:26500", **OAUTH})
    chosen = ClusterSettings.from_environment({"ZEEBE_ADDRESS": "http://zeebe.example.com:26500", **OAUTH})
    assert any("WARNING" in line for line in chosen.describe())
    for address in ("localhost:26500", "127.0.0.1:26500", "https://zeebe.example.com"):
        quiet = ClusterSettings.from_environment({"ZEEBE_ADDRESS": address, **OAUTH})
        assert not any("WARNING" in line for line in quiet.describe())


def test_the_description_leaves_out_a_login_in_the_token_endpoint(tmp_path):
    """Some write credentials into the URL."""
    given = {**OAUTH, "CAMUNDA_CLIENT_AUTH_TOKEN_URL": f"https://me:{SECRET}@login.example.com/token?key={SECRET}"}
    text = "\n".join(ClusterSettings.from_environment(Environment(("environment", given))).describe())
    assert "https://login.example.com/token" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("values", "name", "remedy"),
    [
        ({"ZEEBE_ADDRESS": "zeebe:port"}, "ZEEBE_ADDRESS", "number"),
        ({"ZEEBE_ADDRESS": "ftp://zeebe"}, "ZEEBE_ADDRESS", "https://"),
        ({"ZEEBE_ADDRESS": "https://zeebe/some/path"}, "ZEEBE_ADDRESS", "host:port"),
        ({"ZEEBE_ADDRESS": "http://"}, "ZEEBE_ADDRESS", "host:port"),
        ({"CAMUNDA_CLIENT_MODE": "cloud"}, "CAMUNDA_CLIENT_MODE", "'saas'"),
        ({"CAMUNDA_CLIENT_MODE": "saas", **CLIENT}, "CAMUNDA_CLIENT_CLOUD_CLUSTER_ID", "Console"),
        ({"CAMUNDA_CLUSTER_ID": "abc", **CLIENT}, "CAMUNDA_CLIENT_CLOUD_REGION", "bru-2"),
        ({"CAMUNDA_CLUSTER_ID": "abc", "CAMUNDA_CLUSTER_REGION": "r"}, "CAMUNDA_CLIENT_AUTH_CLIENT_ID", "create"),
        ({"CAMUNDA_CLIENT_AUTH_METHOD": "kerberos"}, "CAMUNDA_CLIENT_AUTH_METHOD", "'oidc'"),
        ({"CAMUNDA_CLIENT_AUTH_METHOD": "basic"}, "CAMUNDA_CLIENT_AUTH_USERNAME", "user"),
        ({"ZEEBE_CLIENT_ID": "me"}, "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET", "ZEEBE_CLIENT_ID"),
        (CLIENT, "CAMUNDA_CLIENT_AUTH_TOKEN_URL", "token endpoint"),
        ({**CLIENT, "CAMUNDA_OAUTH_URL": "login.example.com"}, "CAMUNDA_OAUTH_URL", "full URL"),
        ({"CAMUNDA_CLIENT_AUTH_USERNAME": "demo"}, "CAMUNDA_CLIENT_AUTH_PASSWORD", "password"),
        ({"ZEEBE_CA_CERTIFICATE_PATH": "/nowhere/ca.pem"}, "ZEEBE_CA_CERTIFICATE_PATH", "cannot be read"),
        ({"ZEEBE_INSECURE_CONNECTION": "perhaps"}, "ZEEBE_INSECURE_CONNECTION", "true or false"),
    ],
)
def test_mistakes_name_the_setting_and_the_remedy(values, name, remedy):
    """And never a secret."""
    with pytest.raises(SettingsError) as error:
        read(**values)
    assert name in str(error.value)
    assert remedy in str(error.value)
    assert SECRET not in str(error.value)


def test_half_of_mutual_tls_is_a_mistake(tmp_path):
    """A certificate without its key, or the other way round."""
    file = tmp_path / "mine.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(SettingsError, match="CAMUNDA_CLIENT_PRIVATE_KEY_PATH"):
        read(CAMUNDA_CLIENT_CERTIFICATE_PATH=str(file))


def test_files_that_tls_cannot_use_stop_the_start(tmp_path):
    """The message names the setting, the file and what it must be; OpenSSL asks nobody for a password."""
    issued = trustme.CA().issue_cert("worker")
    certificate, key, locked, other = (tmp_path / f"{name}.pem" for name in ("certificate", "key", "locked", "other"))
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trustme.CA().issue_cert("worker").private_key_pem.write_to_path(other)
    private = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(private.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"x")))
    names = {"CAMUNDA_CLIENT_CERTIFICATE_PATH": str(certificate), "ZEEBE_ADDRESS": "https://zeebe"}
    assert read(**names, CAMUNDA_CLIENT_PRIVATE_KEY_PATH=str(key)).key == key
    for wrong in (locked, other, certificate):
        with pytest.raises(SettingsError, match=f"CAMUNDA_CLIENT_CERTIFICATE_PATH.* {wrong} must be"):
            read(**names, CAMUNDA_CLIENT_PRIVATE_KEY_PATH=str(wrong))
    with pytest.raises(SettingsError, match=f"ZEEBE_CA_CERTIFICATE_PATH.*: {key} holds no certificates"):
        read(ZEEBE_ADDRESS="https://zeebe", ZEEBE_CA_CERTIFICATE_PATH=str(key))


def test_a_file_in_another_format_is_reported_with_the_way_to_convert_it(tmp_path):
    """Left to itself, gRPC would only say that the handshake failed."""
    file = tmp_path / "ca.der"
    file.write_bytes(b"\x30\x82\x01\x0a")
    with pytest.raises(SettingsError, match="openssl x509"):
        read(ZEEBE_CA_CERTIFICATE_PATH=str(file))
