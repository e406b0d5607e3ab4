"""Connector descriptions go in; element templates, reference pages and the table of connectors come out."""
