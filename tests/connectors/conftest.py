"""What tests of several connectors have in common: an authority, and what servers and clients have of it."""

import ssl

import pytest
import trustme


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority):
    """The authority's certificate in PEM, as the modeler would paste it."""
    return authority.cert_pem.bytes().decode()


@pytest.fixture
def tls(authority):
    """A server's context with a good certificate for localhost and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context
