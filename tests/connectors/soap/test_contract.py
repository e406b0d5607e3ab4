"""What diagrams made with Camunda's own SOAP template rely on: inputs, shapes, codes, and that no secret comes out."""

import json

import pytest
from tests.servers.soap import fault, guarded, reply, username_problem

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.connectors.soap.connector import call
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Throw
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import FakeGateway, run

OK = reply('<n:R xmlns:n="urn:n"><n:Field>v</n:Field></n:R>')


def inputs(url, **more):
    """As version 2 of that template sends them."""
    return {
        "serviceUrl": url,
        "authentication": {"authentication": "none"},
        "soapVersion": {"version": "1.1", "soapAction": "urn:go"},
        "header": {"type": "none"},
        "body": {"type": "json", "json": {"n:Go": {"n:Id": 7}}},
        "namespaces": {"n": "urn:n"},
        "connectionTimeoutInSeconds": 20,
        **more,
    }


async def test_result_expression(server):
    """The reply's path is the same."""
    server.answer("/", OK)
    outcome = await run(call, inputs(server.url("/")), result_expression="={field: response.Envelope.Body.R.Field}")
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"field": "v"}


async def test_error_expression(server):
    """A fault's code and variables are the same, and can become a BPMN error."""
    server.answer("/", fault("Server", "no stock"))
    expression = (
        '=if error.code = "SOAP_FAULT_RECEIVED" then '
        'bpmnError("FAULT", error.variables.response.Envelope.Body.Fault.faultstring) else null'
    )
    outcome = await run(call, inputs(server.url("/")), error_expression=expression)
    assert isinstance(outcome, Throw)
    assert (outcome.code, outcome.message) == ("FAULT", "no stock")


@pytest.mark.parametrize("encoded", ["Yes", "No"])
async def test_username_token_with_a_secret(server, encoded):
    """The template's names of the token's fields, and a placeholder for the password."""
    server.answer("/", guarded(username_problem("ann", "s3cret", digest=encoded == "Yes", timestamp=False), OK))
    token = {
        "authentication": "usernameToken",
        "username": "ann",
        "password": "{{secrets.PASSWORD}}",
        "encoded": encoded,
    }
    outcome = await run(call, inputs(server.url("/"), authentication=token), secrets={"PASSWORD": "s3cret"})
    assert isinstance(outcome, Complete)


async def test_no_secret_comes_out(server):
    """A service that sends the password back in a fault does not get it into messages or variables."""
    server.answer(
        "/", lambda seen: fault("Client", f"bad password: {'s3cret-canary' in seen.body.decode()} s3cret-canary")
    )
    token = {"authentication": "usernameToken", "username": "ann", "password": "{{secrets.PASSWORD}}", "encoded": "No"}
    outcome = await run(call, inputs(server.url("/"), authentication=token), secrets={"PASSWORD": "s3cret-canary"})
    assert isinstance(outcome, Fail)
    assert b"s3cret-canary" in server.last.body
    assert "s3cret-canary" not in repr(outcome)
    assert "s3cret-canary" not in json.dumps(outcome.variables)


async def test_placeholders_in_values_stay_text(server):
    """A value that came from outside and looks like a placeholder is sent as it is."""
    server.answer("/", OK)
    body = {"type": "template", "template": "<a>{{x}}</a>", "context": {"x": "{{secrets.PASSWORD}}"}}
    outcome = await run(call, inputs(server.url("/"), body=body), secrets={"PASSWORD": "s3cret-canary"})
    assert isinstance(outcome, Complete)
    assert server.found("//a/text()") == ["{{secrets.PASSWORD}}"]


async def test_version_one_signature_inputs(server, pair):
    """Version 1 of that template sends two fields more, which nobody reads."""
    server.answer("/", OK)
    signature = {
        "authentication": "signature",
        "certificate": {"certificateType": "single", "certificate": pair.pem, "privateKey": "{{secrets.KEY}}"},
        "signatureAlgorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "digestAlgorithm": "http://www.w3.org/2001/04/xmlenc#sha256",
        "useBinarySecurityToken": "Yes",
        "canonicalizationAlgorithm": "",
        "timestamp": "300",
        "encryptionParts": [{"namespace": "urn:n", "localName": "Go"}],
    }
    given = inputs(server.url("/"), authentication=signature)
    outcome = await run(call, given, secrets={"KEY": pair.key_pem()})
    assert isinstance(outcome, Complete), outcome
    assert len(server.found("//ds:Reference")) == 1


OPERATORS = {"ZEEBE_CONNECTORS_SOAP_COMPATIBILITY": "Camunda"}
ODD = {"body": {"type": "json", "json": {"n:Go": {"n:Id": None, "n:Raw": "<n:x/>"}}}}


@pytest.mark.parametrize(
    ("settings", "more", "odd"),
    [
        ({}, {}, False),
        (OPERATORS, {}, True),
        (OPERATORS, {"soapCompatibility": ""}, True),
        (OPERATORS, {"soapCompatibility": "standard"}, False),
        ({}, {"soapCompatibility": "camunda"}, True),
    ],
)
async def test_the_operator_decides_on_the_oddities(server, settings, more, odd):
    """For all tasks that do not say themselves."""
    server.answer("/", OK)
    outcome = await run(call, inputs(server.url("/"), **ODD, **more), settings=settings)
    assert isinstance(outcome, Complete), outcome
    assert server.found("//n:Id/text()", n="urn:n") == (["null"] if odd else [])
    assert len(server.found("//n:x", n="urn:n")) == int(odd)


def test_a_wrong_setting_stops_the_start(tmp_path):
    """With the setting's name and what it may be, before any job is taken."""
    settings = {"ZEEBE_CONNECTORS_SOAP_COMPATIBILITY": "official", "ZEEBE_CONNECTORS_DATA": str(tmp_path)}
    environment = Environment(("environment", settings))
    with pytest.raises(SettingsError, match="SOAP_COMPATIBILITY: must be one of 'standard' or 'camunda'"):
        Runtime(Settings.read(environment), Registry([call]), FakeGateway(), environment=environment)
