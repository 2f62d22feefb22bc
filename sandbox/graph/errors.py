"""What Microsoft Graph says when it says no.

Source: Microsoft Graph, "Error responses and resource types"; texts as quoted in public issues of microsoftgraph repositories.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class GraphError(Exception):
    """A refusal. `inner` repeats the message inside `innerError`, as the authentication methods service does."""

    status: int
    code: str
    message: str
    inner: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, request_id: str, client_request_id: str) -> dict[str, Any]:
        inner = {"message": self.message} if self.inner else {}
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        inner |= {"date": stamp, "request-id": request_id, "client-request-id": client_request_id}
        return {"error": {"code": self.code, "message": self.message, "innerError": inner}}


@dataclass
class NoSuchController(Exception):
    """The answer of the service behind Graph to a DELETE below `authentication/methods`, which Graph passes on unchanged."""

    user_id: str
    method_id: str
    tenant_id: str

    def body(self) -> dict[str, Any]:
        uri = f"users('{self.user_id}@{self.tenant_id}')/authentication/methods('{self.method_id}')"
        return {
            "Message": "No HTTP resource was found that matches the request URI "
            f"'https://mface.windowsazure.com/odata/{uri}'.",
            "MessageDetail": "No type was found that matches the controller named 'users'.",
        }  # fmt: skip


def no_resource(identifier: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{identifier}' does not exist or one of its queried reference-property objects are not present.",
    )


def no_method() -> GraphError:
    return GraphError(404, "resourceNotFound", "The requested authentication method was not found.", inner=True)


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    return GraphError(400, code, message)


def method_refused(message: str) -> GraphError:
    return GraphError(400, "badRequest", message, inner=True)


def no_segment(segment: str) -> GraphError:
    return bad_request(f"Resource not found for the segment '{segment}'.")


def unsupported_query(message: str) -> GraphError:
    return bad_request(message, "Request_UnsupportedQuery")
