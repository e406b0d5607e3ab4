"""A stand-in for the cluster's REST API, made from its public description: it gives diagrams, and can refuse."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from zeebe_connectors.testing.servers import HttpServer, Reply, Seen


def bpmn(
    inputs: dict[str, str], *, process: str = "order", element: str = "task", tag: str = "", more: str = ""
) -> bytes:
    """A process with one task that has these input mappings, by target."""
    mappings = "".join(
        f"<zeebe:input source={quoteattr(source)} target={quoteattr(target)}/>" for target, source in inputs.items()
    )
    version = f'<zeebe:versionTag value="{tag}"/>' if tag else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
  id="d" targetNamespace="t">
 <process id="{process}" isExecutable="true">
  <extensionElements>{version}</extensionElements>
  <serviceTask id="{element}">
   <extensionElements><zeebe:ioMapping>{mappings}</zeebe:ioMapping></extensionElements>
  </serviceTask>
 </process>{more}
</definitions>""".encode()


class ClusterServer(HttpServer):
    """A cluster with diagrams by key."""

    def __init__(self, version: str = "8.9.10") -> None:
        super().__init__()
        self.diagrams: dict[int, bytes] = {}
        self.refusal: Reply | None = None
        self.answer("/v2/topology", Reply.json({"gatewayVersion": version}))
        self.answer("*", self._diagram)

    def _diagram(self, seen: Seen) -> Reply:
        if self.refusal is not None:
            return self.refusal
        *_, key, last = seen.path.split("/")
        found = self.diagrams.get(int(key)) if last == "xml" else None
        if found is None:
            return Reply.json({"title": "NOT_FOUND", "detail": f"no definition {key}"}, 404)
        return Reply(200, found, [("Content-Type", "text/xml")])

    @property
    def requests(self) -> list[str]:
        return [seen.path for seen in self.seen]
