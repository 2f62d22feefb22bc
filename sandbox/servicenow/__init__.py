"""A ServiceNow instance in a box: Table API, help desk and outbound business rule.

`python -m sandbox.servicenow` runs it as a process; `SimulatedServiceNow(...)` is the same in a test.
"""

from sandbox.servicenow.access import ADMINISTRATOR, INTEGRATION, Rights
from sandbox.servicenow.desk import Desk
from sandbox.servicenow.seed import ADMIN_USER_ID, INTEGRATION_USER, INTEGRATION_USER_ID
from sandbox.servicenow.sender import Delivery, Sender, sign
from sandbox.servicenow.service import SimulatedServiceNow
from sandbox.servicenow.settings import Settings
from sandbox.servicenow.store import Record, Store

__all__ = [
    "ADMINISTRATOR",
    "ADMIN_USER_ID",
    "INTEGRATION",
    "INTEGRATION_USER",
    "INTEGRATION_USER_ID",
    "Delivery",
    "Desk",
    "Record",
    "Rights",
    "Sender",
    "Settings",
    "SimulatedServiceNow",
    "Store",
    "sign",
]
