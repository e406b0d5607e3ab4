"""Processes of the cluster as connectors: start one, send a message to one."""
