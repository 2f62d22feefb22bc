"""Plain stand-ins for the protobuf messages between host and Python worker.

The worker library takes its message classes as a parameter, so none of grpc and protobuf is needed. Names and numbers follow
`FunctionRpc.proto` (Azure/azure-functions-language-worker-protobuf), and so break our own naming rules.
"""

from types import SimpleNamespace
from typing import Any

NullableString = NullableBool = NullableDouble = NullableTimestamp = Timestamp = SimpleNamespace
RpcException = RpcRetryOptions = RpcFunctionMetadata = WorkerMetadata = SimpleNamespace
WorkerInitResponse = FunctionMetadataResponse = InvocationResponse = RpcHttp = SimpleNamespace


class TypedData:
    """A value of exactly one kind: `string`, `bytes`, `json` (as text), `http` and so on."""

    def __init__(self, **of_kind: Any) -> None:
        ((self.kind, self.value),) = of_kind.items()

    def WhichOneof(self, oneof: str) -> str:  # noqa: N802
        del oneof
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name != self.kind:
            raise AttributeError(name)
        return self.value


class ParameterBinding:
    """The value of one parameter of a function."""

    def __init__(self, name: str, data: TypedData | None) -> None:
        self.name, self.data = name, data

    def WhichOneof(self, oneof: str) -> str:  # noqa: N802
        del oneof
        return "data"


class StatusResult(SimpleNamespace):
    Failure, Success, Cancelled = range(3)


class BindingInfo(SimpleNamespace):
    undefined = 0  # a data type
    out, inout = 1, 2  # directions


class RpcHttpCookie(SimpleNamespace):
    SameSite = SimpleNamespace(**{"None": None, "Lax": "Lax", "Strict": "Strict", "ExplicitNone": "None"})
