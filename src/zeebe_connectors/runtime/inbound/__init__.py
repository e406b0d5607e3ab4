"""Inbound connectors: finds the elements that wait for events, watches their sources and hands events over once."""
