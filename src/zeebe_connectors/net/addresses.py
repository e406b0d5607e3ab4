"""Check network addresses: decode other notations, and apply the operator's rules."""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle, OpenStack and others
        "fd00:ec2::254",  # AWS over IPv6
        "169.254.170.2",  # AWS: credentials of containers
        "169.254.170.23",
        "fd00:ec2::23",
        "168.63.129.16",  # Azure's platform
        "192.0.0.192",  # Oracle, earlier
        "100.100.100.200",  # Alibaba
        "fd20:ce::254",  # Google over IPv6
    )
)
"""Metadata services, which give a cloud's credentials to any program inside it."""
METADATA_NAMES = frozenset(
    {"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"}
)
_PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
# IPv6 networks whose last 32 bits are an IPv4 address: NAT64 (public and local), translated, compatible.
_EMBEDDING = [ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")]
_ISATAP = (0x00005EFE, 0x02005EFE)


def literal(host: str) -> IpAddress | None:
    """Returns the address that a host spells, also 127.1, 0x7f000001, 017700000001 or 2130706433; None for a name."""
    return _literal(host)


@lru_cache(maxsize=1024)
def _literal(host: str) -> IpAddress | None:
    text = unicodedata.normalize("NFKC", host).strip().strip("[]").rstrip(".").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(text)) if text and text.isascii() and " " not in text else None
    except OSError:
        return None


def unbracketed(host: str) -> str:
    """Returns a host without blanks around it, and without the brackets in which URLs write an IPv6 address."""
    text = host.strip()
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


@lru_cache(maxsize=1024)
def plain_host(host: str) -> str:
    """Normalises a host: an address to its usual notation, a name to lower-case ASCII without a final dot."""
    if (address := literal(host)) is not None:
        return str(getattr(address, "ipv4_mapped", None) or address)
    name = unicodedata.normalize("NFKC", host).strip().strip("[]").rstrip(".").casefold()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


@lru_cache(maxsize=4096)
def forms(address: IpAddress) -> tuple[IpAddress, ...]:
    """Returns an address and, for IPv6, the IPv4 addresses embedded in it, which it may reach."""
    found: list[IpAddress] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo or ()
        found += [inner for inner in (address.ipv4_mapped, address.sixtofour, *teredo) if inner is not None]
        last = int(address) & 0xFFFFFFFF
        is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
        if last > 1 and (is_isatap or any(address in network for network in _EMBEDDING)):
            found.append(ipaddress.IPv4Address(last))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1024)
def may_be_metadata(host: str) -> bool:
    """Returns whether a host is written as an address that reaches a metadata service; False for a name."""
    address = literal(host)
    return address is not None and not METADATA.isdisjoint(forms(address))


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which addresses may be called; all but those of metadata services unless `enabled`."""

    enabled: bool = False
    allow: Sequence[IpNetwork] = ()
    deny: Sequence[IpNetwork] = ()
    private: bool = False
    """Whether private addresses (RFC 1918, unique local) are allowed."""
    loopback: bool = False
    """Whether this machine's own addresses are allowed."""

    def allows(self, address: IpAddress) -> bool:
        """Returns whether one resolved address may be called."""
        return not self.is_metadata(address) and (not self.enabled or self._allows(address))

    def is_metadata(self, address: IpAddress) -> bool:
        """Returns whether it belongs to a metadata service that the operator did not allow by its exact address."""
        return any(
            form in METADATA
            and not any(network.num_addresses == 1 and form == network.network_address for network in self.allow)
            for form in forms(address)
        )

    def _allows(self, address: IpAddress) -> bool:
        every = forms(address)
        if any(_within(form, self.deny) for form in every):
            return False
        return _within(address, self.allow) or all(self._is_fine(form) for form in every)

    def _is_fine(self, address: IpAddress) -> bool:
        if _within(address, self.allow):
            return True
        if address.is_loopback:
            return self.loopback
        if address.is_unspecified or address.is_multicast or address.is_link_local:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            if address.is_site_local:
                return False
            if len(forms(address)) > 1:
                return True  # the inner address decides
        if _within(address, _PRIVATE):
            return self.private
        return address.is_global


def _within(address: IpAddress, networks: Sequence[IpNetwork]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
