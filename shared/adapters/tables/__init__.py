"""Journal, ledger and control in Azure tables. They only store: what may be written is decided elsewhere.

Each table is made on the first write to it, where infrastructure has not.
"""

from shared.adapters.tables.control import CONTROL_TABLE, TableControl
from shared.adapters.tables.journal import TABLE, TableJournal
from shared.adapters.tables.ledger import TableLedger

__all__ = ["CONTROL_TABLE", "TABLE", "TableControl", "TableJournal", "TableLedger"]
