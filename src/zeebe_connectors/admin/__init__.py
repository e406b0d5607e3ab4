"""Serves health, metrics and the operator's API."""
