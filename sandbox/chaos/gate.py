"""A reverse proxy in front of one service: what passes it meets the weather. The service behind knows nothing of it.

Bodies pass as they are, so signatures hold: those of Azure Storage cover path and query, not the host.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from sandbox.chaos.faults import Weather
from sandbox.simulator import misbehave

_OF_THE_CONNECTION = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length")
_PATIENCE = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, so that it can be made again."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


type Heard = Callable[[Asked, int, bytes], None]


class Gate:
    """`app` is to be served; `upstream` are the roots behind it, one of which is chosen for each call.

    `heard` is told of every answer of the service, also of those that are lost on their way.
    """

    def __init__(self, service: str, weather: Weather, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.upstream: Sequence[str] = ()
        self.heard: Heard = lambda *_: None
        self._weather, self._session = weather, session
        self._random = Random(f"{weather.seed}/{service}/choice")
        self.app = web.Application(client_max_size=8 * 1024 * 1024)
        self.app.router.add_route("*", "/{path:.*}", self._serve)

    async def repeat(self, asked: Asked) -> int:
        """The status of the answer to a call that is made again; 0 when there was none."""
        try:
            return (await self._pass_on(asked)).status
        except web.HTTPServiceUnavailable:
            return 0

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.raw_path, _end_to_end(request.headers), await request.read())
        fault = self._weather.next(self.service)
        if fault is None:
            return await self._pass_on(asked)
        return await misbehave(fault, request, lambda: self._pass_on(asked))

    async def _pass_on(self, asked: Asked) -> web.Response:
        """The service's own answer; as a front end would say it where the service is not there."""
        if not self.upstream:
            raise web.HTTPServiceUnavailable
        url = URL(self._random.choice(self.upstream) + asked.path, encoded=True)
        try:
            async with self._session.request(
                asked.method, url, headers=asked.headers, data=asked.body or None, allow_redirects=False, timeout=_PATIENCE
            ) as answer:
                body = await answer.read()
                self.heard(asked, answer.status, body)
                return web.Response(status=answer.status, headers=_end_to_end(answer.headers), body=body)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise web.HTTPServiceUnavailable from error


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    passed = CIMultiDict(headers)
    for name in _OF_THE_CONNECTION:
        passed.popall(name, None)
    return passed


def client() -> aiohttp.ClientSession:
    """What gates call with: bodies and headers are left alone."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
    )
