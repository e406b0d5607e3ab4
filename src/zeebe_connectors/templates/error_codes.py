"""Declare the error codes that belong to no single connector, and write the page of all codes, `docs/errors.md`.

The tests hold the declarations against the codes that the source raises, so that the page has them all and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zeebe_connectors.sdk.connector import Description
from zeebe_connectors.templates.page import table

INCIDENT, AGAIN = "incident", "tried again"

RUNTIME: Mapping[str, tuple[str, str]] = {
    "INVALID_INPUT": (
        "An input, a header or the result of an expression is missing or wrong; the message names it.",
        INCIDENT,
    ),
    "DOCUMENT_HOST_FORBIDDEN": (
        "The host of a document on the web, or of `attachments`, is not in `ZEEBE_CONNECTORS_DOCUMENT_HOSTS`.",
        INCIDENT,
    ),
    "HOST_FORBIDDEN": ("The operator does not allow this host, address, port or URL.", INCIDENT),
    "SECRET_NOT_FOUND": ("No provider of secrets has one of this name.", INCIDENT),
    "SECRET_NOT_RESOLVED": ("A placeholder was not resolved, and the operator chose an incident for this.", INCIDENT),
    "SECRET_PROCESS_FORBIDDEN": ("The operator bound the secret to other processes.", INCIDENT),
    "SECRET_HOST_FORBIDDEN": ("The operator bound the secret to other hosts.", INCIDENT),
    "SECRET_PROVIDER_FAILED": ("A secret provider could not be reached.", AGAIN),
    "PROVIDER_UNKNOWN": ("There is no provider of that name; the message suggests the closest one.", INCIDENT),
    "PROVIDER_INACTIVE": ("The provider is switched off.", "incident; a source stops"),
    "PROVIDER_FORBIDDEN": (
        "The provider is for other processes or tenants, or the editor may not do this.",
        INCIDENT,
    ),
    "PROVIDER_CONFLICT": ("The task sets what the provider decides: host, credentials, TLS.", INCIDENT),
    "PROVIDER_MISMATCH": ("The connector does not take the provider's protocol or way to sign in.", INCIDENT),
    "PROVIDER_ENVIRONMENT_UNKNOWN": ("The provider has no such environment, or none is in force.", INCIDENT),
    "PROVIDER_ENVIRONMENT_FORBIDDEN": ("The provider lets no task choose its environment.", INCIDENT),
    "PROVIDER_UNUSABLE": ("A secured value of the provider cannot be opened.", INCIDENT),
    "PROVIDER_BUSY": ("The provider's usage rules make a source wait before its next poll.", AGAIN),
    "PROVIDER_CHANGED": (
        "A source's provider was changed. From the API: somebody else changed it in the meantime.",
        "restarted",
    ),
    "PROVIDER_INVALID": ("From the file, the API or the command: the description of a provider is not valid.", ""),
    "PROVIDER_KEY_MISSING": (
        "From the command: a value cannot be encrypted again because its key is missing.",
        "",
    ),
    "FUNCTION_FAILED": (
        "A document function (`camunda.function.type`) is unknown or its parameters are wrong.",
        INCIDENT,
    ),
    "DOCUMENT_EXPIRED": ("A document was deleted because it was not read within its retention period.", INCIDENT),
    "DOCUMENT_NOT_FOUND": ("A document is not where its reference says.", INCIDENT),
    "DOCUMENT_TOO_LARGE": (
        "A document is larger than 50 MiB, or the documents that become text exceed it together.",
        INCIDENT,
    ),
    "DOCUMENT_UNREACHABLE": ("A document's store or server did not deliver it.", AGAIN),
    "FILE_FORBIDDEN": ("A path is outside the directories that the operator allowed.", INCIDENT),
    "EXPRESSION_INVALID": (
        "A result or error expression cannot be read.",
        "tried again; an incident in an error expression",
    ),
    "EXPRESSION_FAILED": (
        "A result or error expression cannot be evaluated; the connector has already had its effect.",
        "tried again; an incident in an error expression",
    ),
    "RESULT_TOO_LARGE": ("The result does not fit into a message to the engine.", INCIDENT),
    "LEDGER_OF_ANOTHER_CLUSTER": (
        "The ledger belongs to another cluster, whose keys are the same numbers; sending works without it.",
        AGAIN,
    ),
    "LEDGER_UNAVAILABLE": (
        "The ledger cannot be used. Tasks that receive, move or delete mails ask it first; sending works without it.",
        AGAIN,
    ),
    "JOB_TIMEOUT": ("There was no result within the job's time.", AGAIN),
    "JOB_GONE": ("The job is no longer ours; it was not carried out.", AGAIN),
    "SOURCE_ENDED": ("A source stopped watching without a reason.", "restarted"),
    "SOURCE_SILENT": ("A source was silent for too long.", "restarted"),
}
"""Code: what it means, and what follows."""

API: Mapping[str, tuple[str, str]] = {
    "ANSWER_TOO_LARGE": ("422", "The answer would be too large: name fewer operations."),
    "API_DISABLED": ("404", "`ZEEBE_CONNECTORS_ADMIN_TOKEN` is not set."),
    "ASKED_JUST_NOW": ("429", "The source was made to poll a moment ago. Wait for the result."),
    "BUSY": ("429", "Too many calls of this kind are running. Try again in a few seconds."),
    "CONFIRM": ("409", "A trial may change something outside: send it again with `confirmed`."),
    "CROSS_SITE": ("403", "The request comes from another site's page."),
    "DATA_HIDDEN": ("403", "`ZEEBE_CONNECTORS_PAGE_DATA` is `none`: no data of processes is shown."),
    "FORM_OLD": ("403", "From the page: the form was made for another session. Reload it."),
    "HOST_UNKNOWN": ("403", "The request names a host that is not in `ZEEBE_CONNECTORS_ADMIN_HOSTS`."),
    "INPUT_INVALID": ("400", "A parameter or a field of the body is wrong; the message names it."),
    "LEDGER_UNUSABLE": ("502", "The ledger does not answer."),
    "NOTHING_LIVE": ("404", "From the page: nothing is updated live at this address."),
    "NOT_A_FORM": ("400, 415", "From the page: the body is not one of its forms."),
    "NOT_FOUND": ("404", "There is nothing of that name or key."),
    "NOT_JSON": ("400, 415", "The body is not a JSON object, or its content type is another."),
    "PROVIDER_LOCKED": ("409", "The provider is defined in the file; change it there."),
    "ROLE_INSUFFICIENT": ("403", "The token's role may not do this."),
    "SECRETS_FORBIDDEN": ("403", "In a trial, secrets are for operators only."),
    "SIGNED_OUT": ("401", "From the page: the session is over. Sign in again."),
    "SOURCE_HELD": ("409", "Another runtime holds the source; ask there."),
    "SOURCE_INVALID": ("422", "The description of the source is not valid."),
    "TIMEOUT": ("504", "The call did not end in time."),
    "TOO_LARGE": ("413", "The body is too large."),
    "TOO_SLOW": ("408", "From the page: the form of the sign-in did not come in time."),
    "TOO_MANY": ("429", "Too many calls with a wrong token."),
    "TOO_MANY_STREAMS": ("429", "Too many live streams are open. Close another page, or try later."),
    "TRY_CLOSED": ("403", "The environment is closed for trials."),
    "UNAUTHORIZED": ("401", "The token is missing or wrong."),
    "UNEXPECTED": ("500", "The call failed unexpectedly; the runtime's log has more."),
}
"""Code: status, and what it means."""

ATTENTION: Mapping[str, str] = {
    "ENGINE_AWAY": "The engine does not answer. Check its address and the network; work resumes by itself.",
    "LEDGER_AWAY": "The ledger cannot be used: its file or database does not answer.",
    "PROVIDERS_FILE": "The file of providers cannot be read; the text beside it says why. Its last state still counts.",
    "PROVIDER_DOWN": "The last requests to a provider failed. Check that the system runs and can be reached.",
    "PROVIDER_SLOWED": "A provider answered that too much came at once; its requests wait. Lower its rate.",
    "QUARANTINE": "Events are in quarantine and await a decision: try them again, or forget them.",
    "SETTING_UNKNOWN": "A setting is set that nothing reads; its name is probably misspelt.",
    "SOURCE_DOWN": "A source is not watched; the text beside it says why.",
    "SOURCE_INVALID": "A source's description is not valid; correct the diagram or the file.",
    "WORKER_SILENT": "A worker has not asked the engine for jobs for too long. A restart helps.",
}
"""Code of `attention` in `GET /api/overview`: what it means."""

_INTRODUCTION = """\
# Error codes

<!-- Generated from templates/error_codes.py and the connectors by `make generate`; edit those instead. -->

A code is stable: diagrams may compare it, in an error expression (`error.code`) or in an error boundary event. The
message beside it names the field, the reason and the remedy. *Incident* means that somebody has to correct something;
*tried again* means that the job has one retry less. For each code, an [error expression](feel.md) may decide otherwise.
The page of each [connector](connectors/README.md) lists its codes as well."""


def errors_page(connectors: Iterable[Description]) -> str:
    """Returns the page of all error codes.

    Args:
        connectors: The connectors whose codes are listed, beside the runtime's own.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for connector in connectors:
        for code, meaning in connector.errors.items():
            found.setdefault((code, meaning), []).append(
                f"[{connector.name}](connectors/{connector.name}.md#error-codes)"
            )
    parts = [
        _INTRODUCTION,
        "## Of connectors",
        table(
            ("Code", "Meaning and remedy", "Connectors"),
            [(f"`{code}`", meaning, ", ".join(pages)) for (code, meaning), pages in sorted(found.items())],
        ),
        "## Of the runtime",
        "Any connector's job, and any source, can fail with these.",
        table(("Code", "Meaning", ""), [(f"`{code}`", *row) for code, row in sorted(RUNTIME.items())]),
        "## Of the operator's API and page",
        "In the answers of [the API](operator.md#what-is-refused), which may also have the codes above.",
        table(("Code", "Status", "Meaning"), [(f"`{code}`", *row) for code, row in sorted(API.items())]),
        "What needs attention, in `GET /api/overview`:",
        table(("Code", "Meaning"), [(f"`{code}`", text) for code, text in sorted(ATTENTION.items())]),
    ]
    return "\n\n".join(parts) + "\n"
