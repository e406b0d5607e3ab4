"""Serve health, metrics, the operator's API and the operator's page."""
