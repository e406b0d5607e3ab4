"""Look up secrets: the first provider that knows a name wins."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.sdk.entry_points import declared

PREFIX_SETTING = "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PREFIX"
DEFAULT_PREFIX = "SECRET_"
ENABLED_SETTING = "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_ENABLED"
TENANT_SETTING = "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_TENANTAWARE"
PROCESS_SETTING = "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PROCESSDEFINITIONAWARE"
DISCOVERY_SETTING = "CAMUNDA_CONNECTOR_SECRETPROVIDER_DISCOVERY_ENABLED"
DIRECTORY_SETTING = "ZEEBE_CONNECTORS_SECRETS_DIRECTORY"
PLUGIN_GROUP = "zeebe_connectors.secrets"

_log = logging.getLogger(__name__)
_MAX_FILE = 1 << 20


class SecretProvider(Protocol):
    """Supplies secrets' values; write one and name it in the entry-point group `zeebe_connectors.secrets`."""

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        """Returns the value, or None when this provider does not know the name.

        Args:
            name: As written in the placeholder.
            tenant: Tenant id of the job.
            process: BPMN process id of the job.
        """
        ...


class EnvironmentSecrets:
    """Environment variables and `.env` entries with a prefix; without one, every variable would be readable.

    Args:
        environment: Where to look.
        prefix: What the variable's name must start with; `secrets.TOKEN` is `SECRET_TOKEN` by default.
        tenant_aware: The tenant id stands between prefix and name.
        process_aware: The BPMN process id stands there too.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        prefix: str = DEFAULT_PREFIX,
        tenant_aware: bool = False,
        process_aware: bool = False,
    ) -> None:
        if not prefix:
            raise SettingsError(
                f"{PREFIX_SETTING}: must not be empty, or every environment variable could be read by any diagram; "
                f"name a prefix such as {DEFAULT_PREFIX}"
            )
        self._values = {name: value for name, value in environment.items() if name.startswith(prefix)}
        self._prefix = prefix
        self.place = f"environment and .env, {prefix}*"
        self._tenant_aware = tenant_aware
        self._process_aware = process_aware

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        """Returns the variable's value; characters that a variable's name cannot have may stand as `_` in it."""
        parts = [tenant] if self._tenant_aware else []
        parts += [process] if self._process_aware else []
        full = self._prefix + "_".join([*parts, name])
        found = self._values.get(full)
        return found if found is not None else self._values.get(re.sub(r"[^A-Za-z0-9_]", "_", full))


class DirectorySecrets:
    """A directory with one file per secret, as Docker and Kubernetes mount them; read anew each time for rotation.

    Args:
        directory: Where the files are.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise SettingsError(f"{DIRECTORY_SETTING}: {directory} is not a directory; create it or unset the setting")
        self._directory = directory
        self.place = f"files in {directory}"

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:  # noqa: ARG002 - files are for all
        """Returns the file's text without the last line break. Names that lead out of the directory are unknown."""
        path = self._directory / name
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) or not path.is_file():
            return None
        if path.stat().st_size > _MAX_FILE:
            _log.warning("The secret file %s is larger than 1 MiB and is not read", name)
            return None
        return path.read_text(encoding="utf-8-sig").removesuffix("\n").removesuffix("\r")


def installed_providers(environment: Environment) -> list[SecretProvider]:
    """Returns the providers in order: environment and `.env`, the directory, then plugins by name.

    Raises:
        SettingsError: A provider's setting is wrong.
    """
    providers: list[SecretProvider] = []
    if environment.flag(ENABLED_SETTING, default=True):
        providers.append(
            EnvironmentSecrets(
                environment.exact("environment", ".env"),
                prefix=environment.get(PREFIX_SETTING, DEFAULT_PREFIX),
                tenant_aware=environment.flag(TENANT_SETTING, default=False),
                process_aware=environment.flag(PROCESS_SETTING, default=False),
            )
        )
    if directory := environment.text(DIRECTORY_SETTING):
        providers.append(DirectorySecrets(Path(directory)))
    if environment.flag(DISCOVERY_SETTING, default=True):
        for point in declared(PLUGIN_GROUP):
            make = point.load()
            providers.append(make(environment))
            _log.info("Secrets are also looked up by the plugin %s", point.name)
    return providers
