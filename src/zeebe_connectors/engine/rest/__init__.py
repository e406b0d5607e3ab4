"""Serve the engine's REST API: the part of the Orchestration Cluster API (`/v2`) that the engine supports."""

from zeebe_connectors.engine.rest.server import RestServer

__all__ = ["RestServer"]
