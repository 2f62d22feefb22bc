"""The desk's side of the simulated instance over HTTP, below `/_sim/`.

| control | body (JSON) or query | does |
|---|---|---|
| `POST users` | columns of `sys_user`, and `password`, `rights`, `oid` as in a seed | creates a person |
| `POST groups` | `{"name", "sys_id"?, "members"?: [...]}` | creates a group |
| `POST join`, `leave` | `{"person", "group"}` | makes a member of a group, or no member any more |
| `POST tickets` | `{"requested_for", "opened_by", "cat_item", "approvers"?: [...], ...}` | opens a ticket |
| `POST approve`, `reject` | `{"ticket", "approver", "comments"?}` | decides as that person |
| `POST withdraw` | `{"ticket", "to"?}` | takes approvals back |
| `POST close`, `reopen` | `{"ticket", "state"?, "by"?}` | changes the state |
| `POST note` | `{"ticket", "by", "text", "element"?}` | writes a note or comment |
| `PUT fields` | `{"table", "record", "fields": {...}}` | sets columns as they are, no rule runs |
| `GET ticket` | `?ticket=` | `{record, approvals, text}`: values, and what the desk sees |
| `GET`, `PUT webhook` | `{"url"?, "key"?, "on_every_update"?, "tries"?, "backoff"?}` | the rule that calls out |
| `POST send` | `{"ticket", "id"?}` | sends an event for a ticket (again), under its own or a given id |
| `GET deliveries` | `?wait=true` | what was sent, and how it ended; can wait until all have |
| `POST then` | `{"ticket", "reads", "do": "PUT fields", "body": {...}}` | a control's effect later (see below) |
| `GET`, `PUT settings` | members of `Settings` | turns the instance's properties |
| `PUT rights` | `{"user", "rights"}` | what a user may do, as in a seed |

Tickets are named by number or `sys_id`, people and groups by name or `sys_id`. Records come back as their values. A column of
the customer's own, such as `u_identity_proof`, comes into being with its first value, for every record of the table: with a
ticket, or by `PUT fields`, which sets system columns too, such as an approval's `sys_updated_on`. What cannot be done is `400`
with the reason as text.

`then` lets something happen to a ticket between two readings of it: it is read `reads` more times as it is, and before the
reading after these is answered, another control, which acts on a ticket, a group, fields or rights, does what it does, once. So
with `{"ticket": "RITM0010001", "reads": 1, "do": "POST withdraw", "body": {"ticket": "RITM0010001"}}` the first reading finds
the ticket approved and the second does not. A reading is a `GET` of the ticket's record or of its approvals through the Table
API, each counted for itself; a call that an armed fault answered is none. What cannot be done then is a `500` to whoever reads.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.servicenow.seed import plant_user, rights_of

if TYPE_CHECKING:
    from sandbox.servicenow.service import SimulatedServiceNow

ADJUSTABLE = frozenset({"url", "key", "on_every_update", "tries", "backoff"})
POSTPONABLE = frozenset(
    {
        *(f"POST {what}" for what in ("join", "leave", "approve", "reject", "withdraw", "close", "reopen", "note")),
        "PUT fields",
        "PUT rights",
    }
)


async def control(instance: "SimulatedServiceNow", request: web.Request, what: str) -> web.Response | None:
    """The answer of one control; `None` when there is no such control."""
    body: dict[str, Any] = await request.json() if request.can_read_body else dict(request.query)
    try:
        answer = _act(instance, request.method, what, body)
        if answer is None:
            answer = await _administer(instance, request.method, what, body)
    except (LookupError, ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text=f"{type(error).__name__}: {error}") from error
    return None if answer is None else web.json_response(answer)


def _act(instance: "SimulatedServiceNow", method: str, what: str, body: dict[str, Any]) -> Any:
    desk = instance.desk
    match method, what:
        case "POST", "users":
            return plant_user(body, desk, instance.access).values
        case "POST", "groups":
            return desk.create_group(body.pop("name"), *body.pop("members", ()), **body).values
        case "POST", "join":
            return desk.join(**body).values
        case "POST", "leave":
            return desk.leave(**body).values
        case "POST", "tickets":
            people = [body.pop(name) for name in ("requested_for", "opened_by", "cat_item")]
            return desk.open_ticket(*people, *body.pop("approvers", ()), **body).values
        case "POST", "approve":
            return desk.approve(**body).values
        case "POST", "reject":
            return desk.reject(**body).values
        case "POST", "withdraw":
            return desk.withdraw(**body).values
        case "POST", "close":
            return desk.close(**body).values
        case "POST", "reopen":
            return desk.reopen(**body).values
        case "POST", "note":
            return desk.note(**body).values
        case "PUT", "fields":
            return desk.overwrite(body["table"], body["record"], **body["fields"]).values
        case "GET", "ticket":
            ticket = desk.ticket(body["ticket"])
            rows = [row.values for row in desk.approvals(ticket)]
            return {"record": ticket.values, "approvals": rows, "text": instance.render(ticket.sys_id)}
        case "PUT", "rights":
            user = instance.store.find("sys_user", body["user"])
            instance.access.rights[user["user_name"]] = rights_of(body["rights"])
            return {}
        case "POST", "then":
            return _postpone(instance, **body)
        case _:
            return None


def _postpone(instance: "SimulatedServiceNow", ticket: str, reads: int, do: str, body: dict[str, Any]) -> dict[str, Any]:
    if do not in POSTPONABLE:
        raise ValueError(f"only one of these can wait: {sorted(POSTPONABLE)}")
    method, _, what = do.partition(" ")
    instance.moments.wait(ticket, reads, lambda: _act(instance, method, what, body))
    return {}


async def _administer(instance: "SimulatedServiceNow", method: str, what: str, body: dict[str, Any]) -> Any:
    sender = instance.sender
    match method, what:
        case "GET", "webhook":
            return {
                "url": sender.url,
                "on_every_update": sender.on_every_update,
                "tries": sender.tries,
                "backoff": sender.backoff,
            }
        case "PUT", "webhook":
            return _adjust(sender, body, ADJUSTABLE)
        case "POST", "send":
            return sender.send(instance.desk.ticket(body["ticket"]), body.get("id")).plain()
        case "GET", "deliveries":
            if body.get("wait") == "true":
                await sender.drain()
            return [delivery.plain() for delivery in sender.deliveries]
        case "GET", "settings":
            return asdict(instance.settings)
        case "PUT", "settings":
            return _adjust(instance.settings, body, asdict(instance.settings).keys())
        case _:
            return None


def _adjust(target: object, body: dict[str, Any], known: Any) -> dict[str, Any]:
    if unknown := sorted(body.keys() - known):
        raise ValueError(f"unknown: {unknown}")
    for name, value in body.items():
        setattr(target, name, value)
    return {}
