"""Call the functions in a job's inputs, such as `{"camunda.function.type": "base64", "params": [...]}`.

The official runtime's templates use them for what expressions cannot do: read a document's content, or sign a token.
"""

from __future__ import annotations

import re
import time
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zeebe_connectors.runtime.documents.trust import FUNCTION_KEY, FunctionObject
from zeebe_connectors.runtime.expressions import without_marker
from zeebe_connectors.sdk.budget import OverBudgetError, decode_quick_json, read_json
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import TYPE_KEY, Content, Document, Documents, Reference, base64_text
from zeebe_connectors.sdk.errors import ConnectorError, InputError

MAX_CALLS = 10
"""Maximum number of function objects in the inputs of one job."""
GITHUB = "https://api.github.com"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class _Linking(Protocol):
    async def link(self, document: Document, *, life: float | None, seconds: float) -> str: ...


async def resolve_intrinsics(data: Any, documents: Documents, *, deadline: float, github: str = GITHUB) -> Any:
    """Returns the inputs with every function object replaced by its result; the same object if there is none.

    Args:
        data: A job's inputs.
        documents: For reading documents.
        deadline: When everything must be finished, in seconds of `time.monotonic()`.
        github: Address of GitHub's API, for `createGithubAppInstallationToken`.

    Raises:
        InputError: `FUNCTION_FAILED`: an unknown function, wrong parameters, or too many of them.
        ConnectorError: A document cannot be read, or the token cannot be fetched.
    """
    if not _holds_function(data):
        return data
    return await _Resolution(documents, deadline, github).value(data)


def _holds_function(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(value, FunctionObject) or any(map(_holds_function, value.values()))
    return isinstance(value, list) and any(map(_holds_function, value))


@dataclass(slots=True)
class _Resolution:
    """Resolves the functions of one job's inputs, and counts them."""

    documents: Documents
    deadline: float
    github: str
    calls: int = 0
    clients: ClientCache = field(default_factory=ClientCache)

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    async def value(self, given: Any) -> Any:
        """Returns a value with all functions in it resolved, the innermost first."""
        if isinstance(given, Reference):
            return given
        if isinstance(given, dict):
            if isinstance(given, FunctionObject):
                return await self._called(given)
            return {key: await self.value(item) for key, item in given.items()}
        if isinstance(given, list):
            return [await self.value(item) for item in given]
        return given

    async def _called(self, given: Mapping[str, Any]) -> Any:
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise _failed(f"there are more than {MAX_CALLS} function objects in the inputs")
        name = given[FUNCTION_KEY]
        known = _FUNCTIONS.get(name) if isinstance(name, str) else None
        if known is None:
            raise _failed(f"there is no function {str(name)[:60]!r}; known are {', '.join(sorted(_FUNCTIONS))}")
        parameters = given.get("params") or []
        if not isinstance(parameters, list):
            raise _failed(f"{name}: params must be a list")
        function, minimum, maximum = known
        if not minimum <= len(parameters) <= maximum:
            takes = str(minimum) if minimum == maximum else f"{minimum} or {maximum}"
            noun = "parameter" if takes == "1" else "parameters"
            raise _failed(f"{name}: takes {takes} {noun} but got {len(parameters)}")
        return await function(self, *[await self.value(item) for item in parameters])

    async def content(self, value: Any, name: str) -> Content:
        """Reads a document."""
        if not Document.is_reference(value):
            raise _failed(f"{name}: its first parameter must be a document (an object with the key {TYPE_KEY})")
        return await self.documents.read(Document(value), seconds=self.seconds_left())


def _failed(what: str) -> InputError:
    return InputError(f"{FUNCTION_KEY}: {what}", code="FUNCTION_FAILED")


async def _base64(call: _Resolution, value: Any) -> str:
    data = value.encode() if isinstance(value, str) else (await call.content(value, "base64")).data
    return await base64_text(data)


async def _get_text(call: _Resolution, document: Any, charset: Any = None) -> str:
    from zeebe_connectors.web.charset import literal_codec  # noqa: PLC0415 - for those who read text only

    content = await call.content(document, "getText")
    label = str(charset or "utf-8")
    named = literal_codec(label)
    if named is None:
        raise _failed(f"getText: {label[:40]!r} is not a known character set")
    try:
        return content.data.decode(named).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _failed(f"getText: the document is not text in {label[:40]}") from None


async def _get_json(call: _Resolution, document: Any, expression: Any = None) -> Any:
    content = await call.content(document, "getJson")
    try:
        value = await read_json(content.data.removeprefix(BOM_UTF8))
    except OverBudgetError as error:
        raise _failed(f"getJson: {error}") from None
    except ValueError:
        raise _failed("getJson: the document is not JSON") from None
    if expression is None:
        return value
    from zeebe_connectors import feel  # noqa: PLC0415 - for those who ask for a part only

    try:
        text = without_marker(str(expression))
        variables = value if isinstance(value, dict) else {}
        return await feel.offload(text, lambda limits: feel.compile(text).run(variables, limits=limits).value)
    except Exception as error:  # noqa: BLE001 - whatever the expression does, the modeler must learn of it
        raise _failed(f"getJson: the expression failed: {error}") from None


async def _create_link(call: _Resolution, document: Any, life: Any = None) -> str:
    if not Document.is_reference(document):
        raise _failed("createLink: its first parameter must be a document")
    seconds = None
    if life is not None:
        match = _DURATION.fullmatch(str(life))
        if match is None or not any(match.groups()):
            raise _failed("createLink: its second parameter must be a duration such as PT1H")
        days, hours, minutes, rest = (float(group or 0) for group in match.groups())
        seconds = days * 86400 + hours * 3600 + minutes * 60 + rest
    linking: _Linking | None = call.documents if hasattr(call.documents, "link") else None  # type: ignore[assignment]
    if linking is None:
        raise _failed("createLink: this runtime's document store makes no links")
    return await linking.link(Document(document), life=seconds, seconds=call.seconds_left())


async def _github_token(call: _Resolution, key: Any, app: Any, installation: Any) -> str:
    from multidict import CIMultiDict  # noqa: PLC0415

    from zeebe_connectors.web import Exchange, HttpRequest, encoded_url, status_error  # noqa: PLC0415
    from zeebe_connectors.web.auth.signed_jwt import KeyUnusableError, signed_jwt  # noqa: PLC0415

    claims = {"iat": int(time.time()) - 60, "exp": int(time.time()) + 540, "iss": str(app)}
    try:
        token = signed_jwt(claims, str(key))
    except ModuleNotFoundError:
        raise _failed(
            "createGithubAppInstallationToken: the library for signing is not installed; "
            "add it with: pip install 'zeebe-connectors[signing]'"
        ) from None
    except KeyUnusableError as error:
        raise _failed(f"createGithubAppInstallationToken: privateKey {error}") from None
    headers = CIMultiDict(
        {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
        }
    )
    url = encoded_url(f"{call.github}/app/installations/{installation}/access_tokens", name="installationId")
    try:
        response = await Exchange(call).call(HttpRequest("POST", url, headers))
    finally:
        await call.clients.aclose()
    if response.status >= 400:
        raise status_error(response, what="GitHub", detail="no installation token")
    try:
        return str(decode_quick_json(response.body)["token"])
    except (ValueError, KeyError, TypeError):
        raise ConnectorError("FUNCTION_FAILED", "GitHub's answer holds no installation token") from None


_FUNCTIONS: Mapping[str, tuple[Callable[..., Awaitable[Any]], int, int]] = {
    "base64": (_base64, 1, 1),
    "getText": (_get_text, 1, 2),
    "getJson": (_get_json, 1, 2),
    "createLink": (_create_link, 1, 2),
    "createGithubAppInstallationToken": (_github_token, 3, 3),
}
"""Each function with its minimum and maximum number of parameters."""
