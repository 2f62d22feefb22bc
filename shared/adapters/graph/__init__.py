"""Microsoft Graph as the app's `Directory`, over msgraph-sdk.

`connect` makes the clients that a worker process keeps; `GraphDirectory` is a cheap object for one invocation. The SDK's request
builders make every URL that they know; answers come back as they are and are read by our own `shapes`, since the SDK's generated
models cost 1.4 s and more on a worker's first call, and its typed calls take a redirect for success and drop the request id.
"""

from shared.adapters.graph.calls import UnexpectedAnswer
from shared.adapters.graph.clients import GraphClients, connect
from shared.adapters.graph.directory import GraphDirectory

__all__ = ["GraphClients", "GraphDirectory", "UnexpectedAnswer", "connect"]
