"""Define the inputs of the SOAP connector: those of Camunda's template by their names, and additional ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from zeebe_connectors import Hint, Model, Secret, When
from zeebe_connectors.web import Authentication, ClientTls, NoAuth
from zeebe_connectors.web.auth import SCHEMES
from zeebe_connectors.web.keystore import Keystore, OptionalKeystore

_ALGORITHM = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


class SingleCertificate(Model):
    """Certificate and key as PEM."""

    certificate_type: Annotated[Literal["single"], Hint(label="Certificate")]
    """Where key and certificate come from."""
    certificate: Annotated[
        str,
        Field(min_length=1),
        Hint(label="X.509 certificate", text=True, secrets=True, placeholder="-----BEGIN CERTIFICATE-----"),
    ]
    """The certificate in PEM."""
    private_key: Annotated[Secret, Hint(label="Private key", text=True, placeholder="{{secrets.SIGNING_KEY}}")]
    """Its private key in PEM."""
    private_key_password: Annotated[Secret | None, Hint(label="Password of the private key")] = None
    """Only for an encrypted key."""


class KeystoreCertificate(Keystore):
    """Keystore."""

    certificate_type: Annotated[Literal["keystore"], Hint(label="Certificate")]
    """Where key and certificate come from."""


class NoSecurity(Model):
    """None."""

    authentication: Annotated[Literal["none"], Hint(label="WS-Security")] = "none"
    """What the envelope's security header holds."""


class UsernameToken(Model):
    """Username token."""

    authentication: Annotated[Literal["usernameToken"], Hint(label="WS-Security")]
    """What the envelope's security header holds."""
    username: Annotated[str, Field(min_length=1), Hint(label="Username", secrets=True)]
    """The user's name."""
    password: Annotated[Secret | None, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")] = None
    """The user's password; if empty, the token has none."""
    encoded: Annotated[
        Literal["Yes", "No"],
        Hint(
            label="Password digest",
            choices={"Yes": "Yes: send a digest", "No": "No: send the password"},
            form_default="No",
        ),
    ] = "No"
    """Whether the password goes as a digest with nonce and time (as the standard defines it), or as text."""
    timestamp: Annotated[
        float | None,
        Field(gt=0),
        Hint(label="Time to live in seconds", tooltip="Many services demand a Timestamp; 300 is usual."),
    ] = None
    """Adds a Timestamp that expires after this many seconds; none if empty."""


class SignedPart(Model):
    """An element of the envelope."""

    namespace: str = ""
    """Its namespace."""
    local_name: Annotated[str, Field(min_length=1)]
    """Its name."""


class Signature(Model):
    """X.509 signature."""

    authentication: Annotated[Literal["signature"], Hint(label="WS-Security")]
    """What the envelope's security header holds."""
    certificate: Annotated[
        SingleCertificate | KeystoreCertificate,
        Field(discriminator="certificate_type"),
        Hint(form_default="single", choices={"single": "PEM texts", "keystore": "Keystore (PKCS#12, JKS)"}),
    ]
    """Key and certificate to sign with."""
    signature_algorithm: Annotated[
        str | None,
        Hint(label="Signature algorithm", placeholder=_ALGORITHM, tooltip="If empty, RSA or ECDSA with SHA-256."),
    ] = None
    """URI of the signature algorithm; RSA or ECDSA with SHA-256 if empty."""
    digest_algorithm: Annotated[
        str | None, Hint(label="Digest algorithm", placeholder="http://www.w3.org/2001/04/xmlenc#sha256")
    ] = None
    """URI of the digest algorithm; SHA-256 if empty."""
    timestamp: Annotated[float | None, Field(gt=0), Hint(label="Time to live in seconds", form_default="300")] = None
    """Adds a Timestamp, signed too, that expires after this many seconds; none if empty."""
    encryption_parts: Annotated[
        list[SignedPart],
        Hint(
            label="Parts to sign",
            feel="required",
            placeholder='=[{namespace: "http://example.com/orders", localName: "Order"}]',
            tooltip="If empty, the body, and the Timestamp if there is one.",
        ),
    ] = Field(default=[])
    """Elements to sign, each with `namespace` and `localName`; the body and the Timestamp if empty."""
    verify_reply: Annotated[bool, Hint(label="Verify the reply's signature")] = False
    """Refuse a reply whose body is not signed by a trusted signer."""
    trusted_certificates: Annotated[
        str,
        Hint(
            label="Trusted certificates",
            text=True,
            secrets=True,
            placeholder="-----BEGIN CERTIFICATE-----",
            when=When("verify_reply", ("true",)),
        ),
    ] = ""
    """Who may have signed the reply: certificates, or their authorities', in PEM."""

    @model_validator(mode="after")
    def _trust(self) -> Signature:
        if self.verify_reply and not self.trusted_certificates.strip():
            raise ValueError(
                "trustedCertificates: is required to verify the reply; give the service's certificate in PEM"
            )
        return self


class SoapVersion(Model):
    """Version and action."""

    version: Annotated[
        Literal["1.1", "1.2"], Hint(label="SOAP version", choices={"1.1": "SOAP 1.1", "1.2": "SOAP 1.2"})
    ] = "1.1"
    """Version of the envelope; an operation of a WSDL has its own."""
    soap_action: Annotated[
        str | None,
        Hint(
            label="SOAPAction",
            secrets=True,
            tooltip="In SOAP 1.2 it is the parameter `action`.",
        ),
    ] = None
    """The service's name for the operation; if empty, the WSDL's own is used where there is one."""


class NoHeader(Model):
    """None."""

    type: Annotated[Literal["none"], Hint(label="SOAP header")] = "none"
    """How the header is given."""


class HeaderTemplate(Model):
    """Template."""

    type: Annotated[Literal["template"], Hint(label="SOAP header")]
    """How the header is given."""
    template: Annotated[
        str, Hint(label="XML template", text=True, secrets=True, placeholder="<ord:Session>{{session}}</ord:Session>")
    ]
    """XML with Mustache placeholders."""
    context: Annotated[
        dict[str, Any], Hint(label="Template context", feel="required", placeholder="={session: sessionId}")
    ] = Field(default={})
    """Values for the placeholders."""


class HeaderJson(Model):
    """JSON."""

    type: Annotated[Literal["json"], Hint(label="SOAP header")]
    """How the header is given."""
    content: Annotated[
        dict[str, Any],
        Field(alias="json"),
        Hint(label="JSON", feel="required", placeholder='={"ord:Session": sessionId}'),
    ]
    """The elements: `@name` is an attribute, `$content` the text beside attributes, a list repeats its element."""


class BodyJson(HeaderJson):
    """JSON."""

    type: Annotated[Literal["json"], Hint(label="SOAP body")]
    """How the body is given."""
    content: Annotated[
        dict[str, Any],
        Field(alias="json"),
        Hint(label="JSON", feel="required", placeholder='={"ord:GetOrder": {"ord:Id": orderId}}'),
    ]
    """The elements: `@name` is an attribute, `$content` the text beside attributes, a list repeats its element."""


class BodyTemplate(HeaderTemplate):
    """Template."""

    type: Annotated[Literal["template"], Hint(label="SOAP body")]
    """How the body is given."""
    template: Annotated[
        str,
        Field(min_length=1),
        Hint(
            label="XML template",
            text=True,
            secrets=True,
            placeholder="<ord:GetOrder><ord:Id>{{id}}</ord:Id></ord:GetOrder>",
        ),
    ]
    """XML with Mustache placeholders; values are escaped, `{{{name}}}` inserts XML as it is."""
    context: Annotated[
        dict[str, Any], Hint(label="Template context", feel="required", placeholder="={id: orderId}")
    ] = Field(default={})
    """Values for the placeholders."""


class BodyOperation(Model):
    """Operation of a WSDL."""

    type: Annotated[Literal["operation"], Hint(label="SOAP body")]
    """How the body is given."""
    wsdl: Annotated[
        str,
        Field(min_length=1),
        Hint(
            label="WSDL",
            secrets="whole",
            placeholder="https://example.com/orders?wsdl",
            tooltip="It is cached for a while.",
        ),
    ]
    """Address of the WSDL, or its path below an allowed directory."""
    operation: Annotated[str, Field(min_length=1), Hint(label="Operation")]
    """Name of the operation."""
    service: Annotated[str | None, Hint(label="Service", tooltip="If empty, the first one.")] = None
    """Name of the service, when the WSDL has several."""
    port: Annotated[str | None, Hint(label="Port", tooltip="If empty, the first one with the operation.")] = None
    """Name of the port, when the service has several."""
    input: Annotated[
        dict[str, Any],
        Hint(
            label="Input",
            feel="required",
            placeholder='={orderId: id, lines: [{article: "A1", count: 2}]}',
            tooltip="@name is an attribute, $content the text beside it, @type a derived type.",
        ),
    ] = Field(default={})
    """Values by the names of the WSDL's schema."""
    headers: Annotated[
        dict[str, Any],
        Hint(
            label="SOAP headers",
            feel="required",
            placeholder="={SessionHeader: {sessionId: session}}",
            tooltip="Others go into the SOAP header above.",
        ),
    ] = Field(default={})
    """The operation's SOAP headers, by the names of the WSDL's schema; what is left out is not sent."""
    wsdl_age: Annotated[float, Field(ge=0), Hint(label="Read the WSDL again after seconds")] = 3600
    """How long to use a WSDL before reading it again."""
    external: Annotated[
        list[str],
        Hint(
            label="Further hosts",
            feel="required",
            placeholder='=["schemas.example.com"]',
        ),
    ] = Field(default=[])
    """Hosts besides the WSDL's own from which it may import."""


class Request(Model):
    """One SOAP call."""

    service_url: Annotated[
        str | None,
        Hint(
            group="connection",
            label="Service URL",
            secrets="whole",
            provider="url",
            placeholder="https://example.com/orders",
            tooltip="Required otherwise.",
            example="https://example.com/orders",
        ),
    ] = None
    """Address of the service; with a WSDL it may be left out."""
    authentication: Annotated[
        NoSecurity | UsernameToken | Signature,
        Field(discriminator="authentication"),
        Hint(
            group="authentication",
            provider="wsSecurity",
            choices={"none": "None", "usernameToken": "Username token", "signature": "X.509 signature"},
        ),
    ] = NoSecurity()
    """WS-Security: what the envelope's security header holds."""
    http_authentication: Annotated[
        Authentication,
        Hint(group="http", label="HTTP authentication", secrets=True, provider="authentication", choices=SCHEMES),
    ] = NoAuth()
    """Credentials of the HTTP request, besides those in the envelope."""
    http_headers: Annotated[
        dict[str, Any],
        Hint(
            group="http",
            label="HTTP headers",
            feel="required",
            secrets=True,
            provider="headers",
            placeholder='={"X-Api-Key": "{{secrets.KEY}}"}',
        ),
    ] = Field(default={})
    """Further HTTP headers."""
    client_tls: Annotated[ClientTls, Hint(group="http", secrets=True, provider="tls")] = ClientTls()
    """Client certificate as PEM, and whom to trust."""
    client_keystore: Annotated[OptionalKeystore, Hint(group="http", secrets=True, provider="tls.keystore")] = None
    """Client certificate as PKCS#12 or JKS, instead of the PEM texts."""
    soap_version: Annotated[SoapVersion, Hint(group="soap-message")] = SoapVersion()
    """Version and action."""
    header: Annotated[
        NoHeader | HeaderTemplate | HeaderJson,
        Field(discriminator="type"),
        Hint(group="soap-message", choices={"none": "None", "template": "XML template", "json": "JSON"}),
    ] = NoHeader()
    """The envelope's header."""
    addressing: Annotated[
        bool,
        Hint(
            group="soap-message", label="WS-Addressing", tooltip="Adds To, Action, MessageID and ReplyTo to the header."
        ),
    ] = False
    """Add WS-Addressing 1.0 headers."""
    body: Annotated[
        BodyJson | BodyTemplate | BodyOperation,
        Field(discriminator="type"),
        Hint(
            group="soap-message",
            choices={"json": "JSON", "template": "XML template", "operation": "Operation of a WSDL"},
            form_default="json",
        ),
    ]
    """The envelope's body."""
    namespaces: Annotated[
        dict[str, str],
        Hint(
            group="soap-message", label="Namespaces", feel="required", placeholder='={ord: "http://example.com/orders"}'
        ),
    ] = Field(default={})
    """Prefix and URI of the namespaces that header and body use."""
    nulls: Annotated[
        Literal["omit", "nil"],
        Hint(
            group="soap-message",
            label="Null values",
            choices={"omit": "Leave the element out", "nil": 'Write xsi:nil="true"'},
        ),
    ] = "omit"
    """How to write null in JSON."""
    connection_timeout_in_seconds: Annotated[
        float | None, Hint(group="timeout", label="Connection timeout in seconds", form_default="20")
    ] = None
    """How long to wait for a connection, and for data; if empty, as long as the job may take."""
    soap_compatibility: Annotated[
        Literal["standard", "camunda"],
        Hint(hidden=True, group="timeout", setting="ZEEBE_CONNECTORS_SOAP_COMPATIBILITY"),
    ] = "standard"
    """`camunda` reproduces the peculiarities of Camunda's connector: values are not escaped, null is the text `null`,
    only the first of several body elements is sent, the password of a digest is hashed twice, SHA-1 is the default. The
    operator sets it for all tasks with `ZEEBE_CONNECTORS_SOAP_COMPATIBILITY`."""

    @field_validator("service_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.strip().lower().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @model_validator(mode="after")
    def _address(self) -> Request:
        if self.service_url is None and not isinstance(self.body, BodyOperation):
            raise ValueError("serviceUrl: is required; fill it in")
        return self


class Preset(Model):
    """What an imported template does with one input: the form shows it with a value, or it is fixed."""

    mode: Literal["edited", "fixed", "variable"] = "edited"
    """`edited`: the form begins with the value; `fixed`: the form does not show it; `variable`: from the process."""
    value: Any = None
    """The value as JSON; for `variable` the variable's name, or any FEEL expression."""


class WsdlImport(Model):
    """A WSDL, and how to import it."""

    wsdl: str = ""
    """Address of the WSDL, or its path below a directory that the operator allows."""
    text: str = ""
    """The WSDL itself; what it imports is looked for beside `wsdl`, if that is given too."""
    wsdl_address: str | None = None
    """The WSDL address to write into the templates, when it differs from the one read now."""
    external: list[str] = Field(default=[])
    """Hosts besides the WSDL's own from which it may import."""
    operations: list[str] = Field(default=[])
    """Names of the operations to import; all when left out."""
    service: str | None = None
    """Only of this service."""
    port: str | None = None
    """Only of this port."""
    name: str | None = None
    """Name of the template, for one operation."""
    file: str | None = None
    """Name of the template's file, for one operation: a variant beside others. Made of the operation's name else."""
    template_id: str | None = None
    """Id of the template, for one operation; made of the file's name, or of the operation's."""
    keep_path: bool = False
    """Whether a local path of the WSDL goes into the templates; without it, their field for the WSDL stays empty."""
    description: str | None = None
    """Description of the template, for one operation."""
    presets: dict[str, Preset] = Field(default={})
    """Presets of inputs, by their names; headers as `headers.NAME`."""
    username: str | None = None
    """User name for HTTP Basic."""
    password: Secret | None = None
    """Its password."""

    @model_validator(mode="after")
    def _something(self) -> WsdlImport:
        if not self.wsdl.strip() and not self.text.strip():
            raise ValueError("wsdl: is required; give the WSDL's address, or the WSDL itself as text")
        return self
