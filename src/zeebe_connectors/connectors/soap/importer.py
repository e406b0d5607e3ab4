"""List the operations of a WSDL and make element templates for the chosen ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from zeebe_connectors import Context, InputError
from zeebe_connectors.connectors.soap.inputs import WsdlImport
from zeebe_connectors.connectors.soap.operation_template import choose, described, slugs, template_of
from zeebe_connectors.connectors.soap.wsdl import Operation, Wsdl
from zeebe_connectors.connectors.soap.wsdl_cache import read_beside
from zeebe_connectors.connectors.soap.wsdl_documents import GIVEN, fetcher, gather, location_of
from zeebe_connectors.sdk.importer import Imported, Imports
from zeebe_connectors.web import ClientTls
from zeebe_connectors.web.auth import Basic


async def inspect(wanted: WsdlImport, context: Context) -> dict[str, Any]:
    """Lists the operations of a WSDL with their inputs and a sample of each, and what had to be left out.

    Raises:
        ConnectorError: The WSDL cannot be read or used, or has no such operation; the message says where and why.
    """
    found = await read(wanted, context)
    chosen = _chosen(found, wanted)
    return {"operations": await asyncio.to_thread(list, map(described, chosen)), "skipped": list(found.skipped)}


async def templates(
    wanted: WsdlImport, context: Context, base: Mapping[str, Any], *, max_templates: int | None
) -> Imports:
    """Makes an element template for each chosen operation.

    Raises:
        ConnectorError: As `inspect`; or a name, description or preset does not fit.
    """
    address = wanted.wsdl_address or wanted.wsdl
    warnings = []
    if not wanted.wsdl_address and address and not _is_remote(address):
        if wanted.keep_path:
            warnings.append(
                "the templates name a path on this machine; tasks find the WSDL only where the path is the same"
            )
        else:
            address = ""
            warnings.append(
                "the WSDL is a file on this machine, so the templates leave their field WSDL empty; say where tasks "
                "find it with wsdlAddress, or keep the path with keepPath"
            )
    elif not address:
        raise InputError("wsdlAddress: is required with text: tasks read the WSDL from there, so give where it will be")
    found = await read(wanted, context)
    chosen = _chosen(found, wanted)
    if (wanted.name or wanted.description or wanted.file or wanted.template_id) and len(chosen) != 1:
        raise InputError("name, description, file and templateId are for one operation; choose it with operations")
    if max_templates is not None and len(chosen) > max_templates:
        raise InputError(f"operations: {len(chosen)} are too many at once; name at most {max_templates}")

    def make() -> list[Imported]:
        made = []
        known = slugs(found.operations)
        for item in chosen:
            one = template_of(
                item,
                address,
                dict(base),
                name=wanted.name,
                description=wanted.description,
                hosts=wanted.external,
                presets=wanted.presets,
                file=wanted.file,
                template_id=wanted.template_id,
                slug=known[item.service, item.name],
            )
            made.append(Imported(one.file, one.template))
        return made

    return Imports(await asyncio.to_thread(make), list(found.skipped), warnings)


def _is_remote(address: str) -> bool:
    return address.strip().lower().startswith(("http://", "https://"))


async def read(wanted: WsdlImport, context: Context) -> Wsdl:
    """Reads the WSDL anew.

    Raises:
        ConnectorError: See `inspect`.
    """
    location = location_of(wanted.wsdl, context) if wanted.wsdl.strip() else GIVEN
    login = Basic(type="basic", username=wanted.username, password=wanted.password or "") if wanted.username else None
    moved: dict[str, str] = {}
    fetch = fetcher(context, location, tls=ClientTls(), authentication=login, moved=moved)
    known = {location: wanted.text.encode()} if wanted.text.strip() else {}
    documents = await gather(location, fetch, hosts=wanted.external, known=known, moved=moved)
    return await read_beside(documents, context.seconds_left())


def _chosen(found: Wsdl, wanted: WsdlImport) -> list[Operation]:
    chosen = choose(found.operations, wanted.operations, service=wanted.service, port=wanted.port)
    missing = [name for name in wanted.operations if name not in {item.name for item in chosen}]
    if missing or not chosen:
        there = ", ".join(dict.fromkeys(item.name for item in found.operations))
        raise InputError(f"there is no operation {', '.join(missing) or 'that fits'}, only {there}")
    return chosen
