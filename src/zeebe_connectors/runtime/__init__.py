"""Runs connectors against a cluster: jobs, sources, and all that they need."""
