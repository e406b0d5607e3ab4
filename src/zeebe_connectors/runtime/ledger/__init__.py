"""Keep the ledger: what inbound connectors have handed over, and what outbound connectors must not do twice.

The states of an event: unknown -> `publishing` (the intention, written before the engine is called) -> `published` ->
`done`. An event that no element wants ends as `ignored`, one that cannot be handed over as `quarantined`; an operator
sets `retry` to have a quarantined one tried again. Everything written survives a SIGKILL and a power cut.

A source is held by one owner at a time through a lease, and only the holder's intentions are accepted: runtimes that
share a ledger never publish the same event side by side. The ledger is an SQLite file, or a PostgreSQL database for
replicas on several machines; both use the same statements (`events`, `store`).
"""

from zeebe_connectors.runtime.ledger.events import SqliteLedger, StoredLedger
from zeebe_connectors.runtime.ledger.factory import ledger_file, store_of
from zeebe_connectors.runtime.ledger.memory import Remembered, StoredMemory
from zeebe_connectors.runtime.ledger.owners import is_gone, owner_name
from zeebe_connectors.runtime.ledger.protocol import (
    MAX_ORIGINAL,
    RETENTION,
    SETTLED,
    Entry,
    Ledger,
    LedgerError,
    NotHolder,
    Search,
    State,
    Unsettled,
)
from zeebe_connectors.runtime.ledger.sqlite import SqliteStore
from zeebe_connectors.runtime.ledger.store import Store

__all__ = [
    "MAX_ORIGINAL",
    "RETENTION",
    "SETTLED",
    "Entry",
    "Ledger",
    "LedgerError",
    "NotHolder",
    "Remembered",
    "Search",
    "SqliteLedger",
    "SqliteStore",
    "State",
    "Store",
    "StoredLedger",
    "StoredMemory",
    "Unsettled",
    "is_gone",
    "ledger_file",
    "owner_name",
    "store_of",
]
