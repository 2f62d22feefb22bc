"""pure: the HTTP routes as an OpenAPI 3.1 document, from the app's own models and constants.

`python -m shared.cli.openapi` prints what is kept as docs/openapi.json. Tests compare the two, hold the document against what the
app says of its records, and drive the running app by it.
"""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from shared import intake
from shared.intake.webhook import WebhookBody
from shared.model import Mode, Outcome, Profile, Reason, Status, WaitingFor, Why
from shared.record import StepName
from shared.wiring import VERSION
from shared.wording import NOT_AUTHENTIC, TITLES, problem

type Schema = dict[str, Any]

TOLERANCE_SECONDS = int(intake.TOLERANCE.total_seconds())
PROBLEM = "application/problem+json"
REQUEST_ID = "5f0c2d8e9b7a4c13a6d5e4f30b1c2d3e"
SYS_ID = "0123456789abcdef0123456789abcdef"
STATUS_URL = f"/api/requests/{REQUEST_ID}"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

# What a pydantic validator checks beyond the JSON type: it has no place in the schema that the model makes of itself.
FIELDS: dict[str, Schema] = {
    "EventType": {"type": "string", "const": intake.EVENT_TYPE},
    "Moment": {
        "type": "string",
        "format": "date-time",
        "description": f"RFC 3339. Not older than REQUEST_MAX_AGE, at most {TOLERANCE_SECONDS} s ahead.",
    },
    "Table": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,79}$", "description": "One of SERVICENOW_TABLES."},
    "SysId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "Number": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
}


def document() -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reregister",
            "version": VERSION,
            "summary": "Requires a person to register multifactor authentication again, on an approved ticket's word.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "https://{app}.azurewebsites.net", "variables": {"app": {"default": "reregister"}}}],
        "paths": {
            "/api/webhooks/servicenow": {"post": _webhook()},
            "/api/requests/{id}": {"get": _status()},
            "/api/health": {"get": _health()},
        },
        "components": {
            "schemas": _schemas(),
            "headers": {
                "NoStore": _header("Nothing is to be kept by a cache.", {"const": "no-store"}),
                "RetryAfter": _header("Seconds.", {"type": "integer", "minimum": 0}),
                "Location": _header(
                    "Where the request's status is.", {"type": "string", "pattern": "^/api/requests/[0-9a-f]{32}$"}
                ),
                "Challenge": _header("The scheme that is asked for.", {"const": NOT_AUTHENTIC.headers["WWW-Authenticate"]}),
            },
            "securitySchemes": _security_schemes(),
        },
    }


# ---- routes


def _webhook() -> Schema:
    accepted = {"id": REQUEST_ID, "status": Status.ACCEPTED, "statusUrl": STATUS_URL}
    link = {"operationId": "status", "parameters": {"id": "$response.body#/id"}}

    def taken(description: str, status: Status) -> Schema:
        answer = _json(description, "Taken", accepted | {"status": status})
        answer["headers"] |= {"Location": _reference("headers", "Location")}
        return answer | {"links": {"status": link}}

    return {
        "operationId": "webhook",
        "summary": "A ticket asks for a reset.",
        "description": "Thin: nothing of the body is believed, the ticket is read again. What authenticates is checked before "
        "anything is parsed. A delivery may be repeated with the same webhook-id and body.",
        "security": [{"webhookId": [], "webhookTimestamp": [], "webhookSignature": []}],
        "requestBody": {
            "required": True,
            "description": f"At most {intake.MAX_BODY} bytes, with a Content-Length: a chunked body arrives empty.",
            "content": {
                "application/json": {
                    "schema": _reference("schemas", "WebhookBody"),
                    "example": {
                        "type": intake.EVENT_TYPE,
                        "timestamp": "2026-11-24T02:35:16Z",
                        "data": {"table": "sc_req_item", "sys_id": SYS_ID, "number": "RITM0010001"},
                    },
                }
            },
        },
        "responses": {
            "200": taken("A copy of something that has ended.", Status.DONE),
            "202": taken("Durably on the queue; or under way already, or attempted again.", Status.ACCEPTED),
            "400": _problem(400, "Not JSON, or not of the shape.", pointer="/data/sys_id"),
            "401": _not_authentic(),
            "413": _problem(413, f"The body is larger than {intake.MAX_BODY} bytes."),
            "415": _problem(415, "The body must be application/json."),
            "422": _problem(422, "The right shape with a value that cannot be.", pointer="/data/table"),
            "429": _from_platform("The platform has too much to do."),
            "503": _later(),
        },
    }


def _status() -> Schema:
    return {
        "operationId": "status",
        "summary": "What became of a request.",
        "security": [{"functionKey": []}],
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "example": REQUEST_ID,
            }
        ],
        "responses": {
            "200": _json("As the journal has it.", "Request", _request_example()),
            "401": _from_platform("No function key, or a wrong one; said by the platform, without a body."),
            "404": _problem(404, "There is no such request."),
            "429": _from_platform("The platform has too much to do."),
            "503": _later(),
        },
    }


def _health() -> Schema:
    failing = {"version": VERSION, "mode": Mode.ENFORCE, "failing": ["JournalStorage"], "problems": {"JournalStorage": "timeout"}}
    sick = _json("Requests cannot be taken in.", "Health", failing)
    sick["headers"] |= {"Retry-After": _reference("headers", "RetryAfter")}
    return {
        "operationId": "health",
        "summary": "Whether requests can be taken in: settings are valid, storage answers.",
        "security": [],
        "responses": {
            "200": _json("They can.", "Health", {"version": VERSION, "mode": Mode.ENFORCE, "failing": []}),
            "429": _from_platform("The platform has too much to do."),
            "503": sick,
        },
    }


# ---- answers


def _json(description: str, schema: str, example: Mapping[str, Any]) -> Schema:
    return {
        "description": description,
        "headers": {"Cache-Control": _reference("headers", "NoStore")},
        "content": {"application/json": {"schema": _reference("schemas", schema), "example": dict(example)}},
    }


def _problem(status: int, detail: str, *, pointer: str | None = None) -> Schema:
    return {
        "description": detail,
        "headers": {"Cache-Control": _reference("headers", "NoStore")},
        "content": {
            PROBLEM: {"schema": _problem_of(status), "example": dict(problem(status, detail, pointer=pointer).body)},
        },
    }


def _problem_of(status: int) -> Schema:
    said = {"status": {"const": status}, "title": {"const": TITLES[status]}}
    return {"allOf": [_reference("schemas", "Problem"), {"properties": said}]}


def _not_authentic() -> Schema:
    answer = _problem(401, "The same for every failure to authenticate.")
    answer["headers"] |= {"WWW-Authenticate": _reference("headers", "Challenge")}
    answer["content"][PROBLEM] = {"schema": {"const": dict(NOT_AUTHENTIC.body)}, "example": dict(NOT_AUTHENTIC.body)}
    return answer


def _later() -> Schema:
    answer = _problem(503, "Not available now; try again later.")
    answer["headers"] |= {"Retry-After": _reference("headers", "RetryAfter")}
    return answer


def _from_platform(description: str) -> Schema:
    return {"description": description}


def _header(description: str, schema: Schema) -> Schema:
    return {"description": description, "required": True, "schema": schema}


def _reference(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


# ---- schemas


def _schemas() -> dict[str, Schema]:
    return _webhook_schemas() | {
        "Taken": _object(
            {
                "id": _reference("schemas", "RequestId"),
                "status": _one_of(Status),
                "statusUrl": {"type": "string", "pattern": "^/api/requests/[0-9a-f]{32}$"},
            }
        ),
        "RequestId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "Request": _request(),
        "Health": _object(
            {
                "version": {"type": "string"},
                "mode": {"enum": [*Mode, None], "description": "null when the settings do not tell."},
                "failing": {"type": "array", "items": {"type": "string"}, "description": "Names of settings and connections."},
                "problems": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            optional=["problems"],
        ),
        "Problem": {
            **_object(
                {
                    "type": {"const": "about:blank"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "errors": {
                        "type": "array",
                        "items": _object({"pointer": {"type": "string", "format": "json-pointer"}, "detail": {"type": "string"}}),
                    },
                },
                optional=["errors"],
            ),
            "description": "RFC 9457.",
        },
    }


def _webhook_schemas() -> dict[str, Schema]:
    """The model's own schema, with what its validators check."""
    made = WebhookBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Schema] = made.pop("$defs")
    for name, field in FIELDS.items():
        parts[name] = parts[name] | field
    return {"WebhookBody": made} | parts


def _request() -> Schema:
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    optional = {
        "outcome": _one_of(Outcome),
        "reason": {**_one_of(Reason), "description": "The first of `reasons`."},
        "reasons": {"type": "array", "minItems": 1, "items": _one_of(Reason)},
        "waitingFor": _one_of(WaitingFor),
        "ticket": _object({"system": text, "table": text, "sysId": text, "number": text}),
        "subjectId": {"type": "string", "description": "Object id of the person, once resolved."},
        "receipt": {
            **_object({"sequence": {"type": "integer", "minimum": 1}, "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}),
            "description": "Where the outcome stands in the request's receipt.",
        },
    }
    method = {"type": text, "id": text}
    return _object(
        {
            "id": _reference("schemas", "RequestId"),
            "status": _one_of(Status),
            "attempt": {"type": "integer", "minimum": 1},
            "mode": _one_of(Mode),
            "profile": {"type": "string", "examples": list(Profile)},
            "receivedAt": moment,
            "updatedAt": moment,
            "steps": {
                "type": "array",
                "items": _object(
                    {"name": _one_of(StepName), "at": moment, "detail": text, "graphRequestId": text},
                    optional=["detail", "graphRequestId"],
                ),
            },
            "removed": {
                "type": "array",
                "description": "In a dry run: what would have been removed.",
                "items": _object(method),
            },
            "leftAlone": {"type": "array", "items": _object({**method, "why": _one_of(Why)})},
            **optional,
        },
        optional=optional,
    )


def _request_example() -> dict[str, Any]:
    method = {"type": "microsoftAuthenticator", "id": "c0117050-4444-4000-8000-000000000001"}
    return {
        "id": REQUEST_ID,
        "status": Status.DONE,
        "attempt": 1,
        "mode": Mode.ENFORCE,
        "outcome": Outcome.DONE,
        "reason": Reason.REMOVED,
        "reasons": [Reason.REMOVED],
        "profile": Profile.REQUIRE_REREGISTER,
        "ticket": {"system": "servicenow", "table": "sc_req_item", "sysId": SYS_ID, "number": "RITM0010001"},
        "subjectId": "c0117050-0000-4000-8000-000000000001",
        "receivedAt": "2026-11-24T02:35:16.000Z",
        "updatedAt": "2026-11-24T02:35:21.250Z",
        "steps": [{"name": StepName.ACCEPTED, "at": "2026-11-24T02:35:16.000Z"}],
        "removed": [method],
        "leftAlone": [{**method, "type": "fido2", "why": Why.PROFILE}],
        "receipt": {"sequence": 9, "hash": HASH},
    }


def _security_schemes() -> dict[str, Schema]:
    def header(name: str, description: str) -> Schema:
        return {"type": "apiKey", "in": "header", "name": name, "description": description}

    return {
        "functionKey": header("x-functions-key", "A function key or host key of the app. Never in the query: that is logged."),
        "webhookId": header("webhook-id", "Standard Webhooks: names the event; the same when it is repeated."),
        "webhookTimestamp": header("webhook-timestamp", f"Seconds since 1970, within {TOLERANCE_SECONDS} s of now."),
        "webhookSignature": header(
            "webhook-signature",
            "`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, with a key of WEBHOOK_KEYS; "
            "several signatures are separated by blanks.",
        ),
    }


def _object(members: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    left_out = set(optional)
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in left_out],
        "additionalProperties": False,
    }


def _one_of(values: type[StrEnum]) -> Schema:
    return {"type": "string", "enum": list(values)}


def text() -> str:
    """The document as it is kept in a file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
