"""Errors of the simulated instance in the form that its REST APIs give them."""

from collections.abc import Mapping

from aiohttp import web


class ApiError(Exception):
    """`{"error": {"message", "detail"}, "status": "failure"}` with an HTTP status."""

    def __init__(self, status: int, message: str, detail: str | None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.headers = headers

    def answer(self) -> web.Response:
        body = {"error": {"message": self.message, "detail": self.detail}, "status": "failure"}
        return web.json_response(body, status=self.status, headers=self.headers)


def not_authenticated() -> ApiError:
    realm = {"WWW-Authenticate": 'BASIC realm="Service-now"'}
    return ApiError(401, "User Not Authenticated", "Required to provide Auth information", realm)


def no_record() -> ApiError:
    return ApiError(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


def invalid_table(table: str) -> ApiError:
    return ApiError(400, f"Invalid table {table}", None)


def acl(operation: str) -> ApiError:
    return ApiError(403, "Operation Failed", f"ACL Exception {operation} Failed due to security constraints")
