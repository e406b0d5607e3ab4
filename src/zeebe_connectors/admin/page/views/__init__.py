"""Draw the page's places, one file for each, from what the API answers too."""

from __future__ import annotations

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.page.views import connectors, feel, providers, runtime, trials, wsdl
from zeebe_connectors.admin.page.views.events import forget_chosen, one_event, original, retry_chosen, some_events
from zeebe_connectors.admin.page.views.jobs import one_job, some_jobs
from zeebe_connectors.admin.page.views.overview import incidents_seen, overview
from zeebe_connectors.admin.page.views.sources import one_source, some_sources, tested_source, woken_source
from zeebe_connectors.admin.page.visit import View

ADDRESSES: tuple[tuple[str, str, Role, View], ...] = (
    ("GET", "/", Role.VIEWER, overview),
    ("POST", "/attention/seen", Role.OPERATOR, incidents_seen),
    ("GET", "/jobs", Role.VIEWER, some_jobs),
    ("GET", "/jobs/{key}", Role.VIEWER, one_job),
    ("GET", "/connectors", Role.VIEWER, connectors.all_connectors),
    ("GET", "/connectors/templates.zip", Role.VIEWER, connectors.archive),
    ("GET", "/connectors/{name}", Role.VIEWER, connectors.form),
    ("GET", "/connectors/{name}/inputs", Role.VIEWER, connectors.inputs),
    ("GET", "/connectors/{name}/errors", Role.VIEWER, connectors.errors),
    ("GET", "/connectors/{name}/template.json", Role.VIEWER, connectors.template_file),
    ("GET", "/connectors/{name}/icon.svg", Role.VIEWER, connectors.icon),
    ("GET", "/connectors/{name}/try", Role.VIEWER, trials.ask),
    ("POST", "/connectors/{name}/try", Role.MODELER, trials.run),
    ("GET", "/import/soap", Role.VIEWER, wsdl.ask),
    ("POST", "/import/soap", Role.MODELER, wsdl.step),
    ("GET", "/feel", Role.VIEWER, feel.ask),
    ("POST", "/feel", Role.MODELER, feel.evaluate),
    ("GET", "/providers", Role.VIEWER, providers.all_providers),
    ("POST", "/providers", Role.EDITOR, providers.create),
    ("GET", "/providers/+new", Role.EDITOR, providers.new_provider),
    ("GET", "/providers/+all.yaml", Role.VIEWER, providers.all_as_yaml),
    ("GET", "/providers/{name}", Role.VIEWER, providers.one_provider),
    ("GET", "/providers/{name}/provider.yaml", Role.VIEWER, providers.one_as_yaml),
    ("POST", "/providers/{name}", Role.EDITOR, providers.change),
    ("GET", "/providers/{name}/copy", Role.EDITOR, providers.ask_copy),
    ("POST", "/providers/{name}/copy", Role.EDITOR, providers.copy),
    ("GET", "/providers/{name}/delete", Role.OPERATOR, providers.ask_delete),
    ("POST", "/providers/{name}/delete", Role.OPERATOR, providers.delete),
    ("POST", "/providers/{name}/check", Role.OPERATOR, providers.check_environment),
    ("GET", "/runtime", Role.VIEWER, runtime.runtime),
    ("GET", "/runtime/report.json", Role.VIEWER, runtime.report),
    ("GET", "/sources", Role.VIEWER, some_sources),
    ("GET", "/sources/{name}", Role.VIEWER, one_source),
    ("POST", "/sources/{name}/wake", Role.OPERATOR, woken_source),
    ("POST", "/sources/{name}/test", Role.MODELER, tested_source),
    ("GET", "/events", Role.VIEWER, some_events),
    ("GET", "/events/original", Role.OPERATOR, original),
    ("GET", "/events/{source}/{id}", Role.VIEWER, one_event),
    ("POST", "/events/retry", Role.OPERATOR, retry_chosen),
    ("POST", "/events/forget", Role.OPERATOR, forget_chosen),
)
"""Method, address, required role and view."""
