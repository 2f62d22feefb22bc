"""The ticket desk on ServiceNow's Table API.

`ServiceNowClient` is the way to one instance and lives as long as the worker process; `understood` says what an answer means;
`ServiceNowDesk` is the port, one for each invocation. Source: ServiceNow documentation, "Table API", "Inbound REST API rate
limiting" and "REST API HTTP response codes".

ServiceNow leaves out a field that we may not read, and one that does not exist. Neither reads as a pass:

* `sys_id`, `number`: it cannot be told that this is the ticket that was meant, `TicketNotFound`;
* `active`: not active; `approval`, `cat_item`, `state`: empty, which no rule accepts;
* the requested-for field, the user field: no subject; the profile field: nothing asked for;
* an approval's `approver`: nobody; its `sys_updated_on`: None, of unknown age;
* `opened_by`, the rest of an approval, a whole approval: `Forbidden`, for each may hide that somebody approved their own ticket
  or rejected it. In `write` a journal too, lest every repeat add a note that we cannot see;
* the proof field, a membership in the approver group or a part of one: `Forbidden`, so that who set us up hears of it, and the
  ticket is not refused for want of what it may well have.

A row that is left out still counts in `X-Total-Count`, which every list has unless `sysparm_no_count` is asked for. Where a
gateway takes the header away, what is hidden cannot be told from what is not there (docs/verification.md has the command).
"""

from shared.adapters.servicenow.answers import understood, wanted_wait
from shared.adapters.servicenow.client import ANSWER_LIMIT, Reply, ServiceNowClient
from shared.adapters.servicenow.desk import ServiceNowDesk

__all__ = ["ANSWER_LIMIT", "Reply", "ServiceNowClient", "ServiceNowDesk", "understood", "wanted_wait"]
