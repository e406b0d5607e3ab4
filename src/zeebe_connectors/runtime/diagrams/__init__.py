"""Read what deployed diagrams say: the secrets, documents and functions in each element, and version tags.

Only this room reads deployed diagrams: for the scope of secrets, for the discovery of inbound elements and for choices
by version tag. They come from the cluster's REST API, from what this runtime deployed itself, or from a folder.
"""

from zeebe_connectors.runtime.diagrams.cluster import ClusterApi, ClusterError
from zeebe_connectors.runtime.diagrams.known import Diagrams, DiagramUnavailable
from zeebe_connectors.runtime.diagrams.reading import Diagram, DiagramError, Element, Place, ProcessText
from zeebe_connectors.runtime.diagrams.records import DeployedHere

__all__ = [
    "ClusterApi",
    "ClusterError",
    "DeployedHere",
    "Diagram",
    "DiagramError",
    "DiagramUnavailable",
    "Diagrams",
    "Element",
    "Place",
    "ProcessText",
]
