"""The engine's REST API: the part of the Orchestration Cluster API (`/v2`) about what the engine has."""

from zeebe_connectors.engine.rest.server import RestServer

__all__ = ["RestServer"]
