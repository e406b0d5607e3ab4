"""Outbound connectors: takes jobs from the gateway, runs a connector's function for each and answers it."""
