"""Zeebe Connectors: the connector runtime for Camunda 8 in Python."""
