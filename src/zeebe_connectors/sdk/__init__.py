"""Describe connectors, with a model and a function: the author's API; nothing here knows an engine."""
