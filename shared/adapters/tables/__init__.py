"""Journal, ledger, dead letters, control and orders in Azure tables. They only store: what may be written is decided elsewhere.

Each table is made by the first write to it, where infrastructure has not; who may only read can read.
"""

from shared.adapters.tables.control import CONTROL_TABLE, TableControl
from shared.adapters.tables.deadletters import TableDeadLetters
from shared.adapters.tables.journal import TABLE, TableJournal
from shared.adapters.tables.ledger import TableLedger
from shared.adapters.tables.orders import TableOrders

__all__ = ["CONTROL_TABLE", "TABLE", "TableControl", "TableDeadLetters", "TableJournal", "TableLedger", "TableOrders"]
