"""Talk to mail servers and read mails, for connectors."""

from zeebe_connectors.mail.reading.addresses import Address
from zeebe_connectors.mail.reading.message import parse_mail, read_mail
from zeebe_connectors.mail.reading.model import Mail, Part

__all__ = ["Address", "Mail", "Part", "parse_mail", "read_mail"]
