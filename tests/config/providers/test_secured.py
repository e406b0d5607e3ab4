"""What a connector calls a secret is secured in a provider too, whichever connector it is."""

import pytest
from pydantic import BaseModel

from zeebe_connectors.config.providers.names import KNOWN, installed_names
from zeebe_connectors.config.providers.secured import is_secured, sealed, secured_fields
from zeebe_connectors.runtime.providers.editing import taken_apart
from zeebe_connectors.sdk.annotations import leaf_types
from zeebe_connectors.sdk.fields import Secret, hint_of
from zeebe_connectors.sdk.registry import Registry

REGISTRY = Registry.installed()
CONNECTORS = [one for one in (*REGISTRY.outbound.values(), *REGISTRY.inbound.values()) if one.protocols]


def secret_fields(kind, source=""):
    """The dotted place in an environment of every secret below an input that a provider fills."""
    for leaf in leaf_types(kind):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                place = f"{source}.{info.alias or name}" if source else hint_of(info).provider
                if Secret in leaf_types(info.annotation):
                    if place:
                        yield place
                else:
                    yield from secret_fields(info.annotation, place)


def test_every_secret_of_every_connector_is_secured_in_a_provider():
    """A connector or scheme that is added later is held to it by itself."""
    found = {place for connector in CONNECTORS for place in secret_fields(connector.input)}
    assert len(found) > 20
    sections = {"authentication", "wsSecurity", "tls"}
    wrong = [
        place
        for place in found
        if place.partition(".")[0] in sections and not is_secured(place.partition(".")[0], place.partition(".")[2])
    ]
    assert wrong == []
    assert {place.partition(".")[0] for place in found} <= {*sections, "authenticationConfiguration"}


def test_every_connector_that_takes_providers_says_where_they_lead():
    for connector in CONNECTORS:
        sources = {place.source for place in connector.provider_places}
        assert sources & {"url", "host", "options.url"}, connector.name


def test_every_name_that_a_connector_reads_is_known():
    """So that no right name is ever called a slip, and every slip finds the name that is meant."""
    read = installed_names()
    assert {section: sorted(read[section] - KNOWN[section]) for section in KNOWN} == {section: [] for section in KNOWN}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("tls", "keystoreLocation", "MIIK" * 60),
        ("wsSecurity", "keystoreLocation", "/u3+7QAA" * 40),
        ("tls", "clientCertificate", "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN RSA PRIVATE KEY-----\ncanary"),
        ("authentication", "certificate", "-----BEGIN PRIVATE KEY-----\ncanary"),
        ("authentication", "oauthTokenEndpoint", "https://me:canary@login.example.com/token"),
        ("options", "path", "/x\n-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    ],
)
def test_what_holds_a_key_or_password_is_secured_whatever_its_name(section, name, value):
    """And stays so through showing, changing and exporting."""
    here = {section: {name: value}, "url": "https://h.example.com/"}
    assert sealed(here)[section][name] == Secret(value)
    assert [place for place, _ in secured_fields(here)] == [f"{section}.{name}"]
    taken = taken_apart({"environments": {"t": here}})
    assert (taken.document["environments"]["t"][section], dict(taken.given)) == (
        {},
        {("t", f"{section}.{name}"): value},
    )


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("tls", "keystoreLocation", "/certificates/client.p12"),
        ("tls", "clientCertificate", "-----BEGIN CERTIFICATE-----\n" + "MIIK" * 400),
        ("tls", "keystoreLocation", "{{secrets.KEYSTORE}}"),
        ("authentication", "oauthTokenEndpoint", "https://login.example.com/me:you/token?x=a@b"),
    ],
)
def test_what_holds_none_is_shown(section, name, value):
    assert list(secured_fields({section: {name: value}})) == []
