"""What is known to go wrong with msgraph-sdk, kiota and httpx (msgraph-sdk 1.65, msgraph-core 1.5.2, kiota 1.16, httpx 0.28).

The classes test our adapter; `TestWhyWeGoAround` pins the SDK's own behaviour where we go around it, so that an upgrade tells us
when that is no longer needed.
"""

import asyncio
import base64
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from kiota_abstractions.method import Method as Verb
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.retry_handler import RetryHandler
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph_core.middleware import AsyncGraphTransport

from sandbox.graph import SimulatedGraph
from sandbox.people import ADELE, GUEST
from sandbox.simulator import running
from shared.adapters.graph import GraphClients, GraphDirectory, UnexpectedAnswer, connect
from shared.adapters.graph.calls import MAX_PAGES
from shared.model import Action, Method, Removal
from shared.ports import Forbidden, Unavailable
from shared.waits import retry_after
from tests.contract.test_graph_adapter import Credential, FrozenClock

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")  # which msgraph-sdk makes itself

GRAPH = "https://graph.microsoft.com"
WHO = "c0117050-0000-4000-8000-000000000001"
USER = {"id": WHO, "userPrincipalName": ADELE, "accountEnabled": True}
PHONE = Removal(Method("phone", "3179e48a-750b-4051-897c-87b9720928f7"))
NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)

type Answers = Callable[[httpx.Request], httpx.Response]


class Wire:
    """A Graph that answers as told, below the SDK's whole middleware; `sent` is what reached it."""

    def __init__(self, answers: Answers, endpoint: str = GRAPH) -> None:
        self.sent: list[httpx.Request] = []
        self.credential = Credential()
        self.clock = FrozenClock()
        self.clients = connect(endpoint, self.credential, httpx.MockTransport(self._handle))
        self.directory = GraphDirectory(self.clients, self.clock)
        self._answers = answers

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self._answers(request)

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.sent]


def always(status: int, json: Any = None, **more: Any) -> Answers:
    return lambda _: httpx.Response(status, json=json, **more) if json is not None else httpx.Response(status, **more)


def by_path(**pages: Any) -> Answers:
    """Answers by the path's last segment; a collection that is not named is empty."""
    return lambda request: httpx.Response(200, json=pages.get(request.url.path.rpartition("/")[2], {"value": []}))


class TestUrls:
    async def test_no_url_has_a_double_slash(self) -> None:
        for endpoint in (GRAPH, f"{GRAPH}/"):
            wire = Wire(by_path(signInPreferences={}), endpoint)
            await wire.directory.inventory(WHO)
            assert sorted(wire.urls) == [
                f"{GRAPH}/beta/users/{WHO}/authentication/hardwareOathMethods",
                f"{GRAPH}/beta/users/{WHO}/authentication/signInPreferences",
                f"{GRAPH}/v1.0/users/{WHO}/authentication/methods",
            ]

    async def test_the_hash_of_a_guest_does_not_cut_the_url(self) -> None:
        wire = Wire(always(200, {**USER, "userPrincipalName": GUEST}))
        assert (await wire.directory.person(GUEST)).guest
        assert wire.sent[0].url.raw_path.startswith(b"/v1.0/users/megan_fabrikam.com%23EXT%23%40contoso.com?")

    @pytest.mark.parametrize("removal", [PHONE, Removal(Method("hardwareOath", ""), Action.DEACTIVATE)])
    async def test_a_method_id_stays_one_segment_of_the_path(self, removal: Removal) -> None:
        wire = Wire(always(204))
        hostile = Removal(Method(removal.method.type, "$x/../y?z#%2e"), removal.action)
        await wire.directory.remove(WHO, hostile)
        assert b"Methods/%24x%2F..%2Fy%3Fz%23%252e" in wire.sent[0].url.raw_path

    @pytest.mark.parametrize("method_id", ["", ".", ".."])
    async def test_a_method_id_that_climbs_the_path_is_refused(self, method_id: str) -> None:
        wire = Wire(always(204))
        for method_type in ("phone", "hardwareOath"):
            with pytest.raises(ValueError, match="method id"):
                await wire.directory.remove(WHO, Removal(Method(method_type, method_id)))
        assert wire.sent == []

    @pytest.mark.parametrize(
        "endpoint",
        [
            "http://graph.microsoft.com",
            "http://127.0.0.1.example:80",
            "graph.microsoft.com",
            "ftp://localhost",
            "https://user:secret@graph.microsoft.com",
            "https://graph.microsoft.com/v1.0",
            "https://graph.microsoft.com?x",
            "https://",
            "",
        ],
    )
    def test_an_endpoint_that_is_no_bare_https_root_is_refused(self, endpoint: str) -> None:
        with pytest.raises(ValueError, match="endpoint"):
            connect(endpoint, Credential())

    @pytest.mark.parametrize("endpoint", ["https://graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn"])
    async def test_national_clouds_are_not_asked_for_what_they_do_not_have(self, endpoint: str) -> None:
        wire = Wire(by_path(), endpoint)
        assert (await wire.directory.inventory(WHO)).default is None
        assert wire.urls == [f"{endpoint}/v1.0/users/{WHO}/authentication/methods"]
        assert wire.credential.asked[0][0] == (f"{endpoint}/.default",)


class TestWhereTheTokenGoes:
    async def test_the_token_is_for_graph_and_goes_to_graph_only(self) -> None:
        wire = Wire(always(200, USER))
        await wire.directory.person(ADELE)
        assert wire.sent[0].headers["Authorization"].startswith("Bearer ey")
        assert wire.credential.asked[0][0] == (f"{GRAPH}/.default",)
        for elsewhere in ("https://evil.example/v1.0/users", f"{GRAPH}.evil.example/", "https://x@graph.microsoft.com/"):
            request = RequestInformation(Verb.GET)
            request.url = elsewhere
            await wire.clients.tokens.authenticate_request(request)
            assert not request.headers.contains("Authorization")

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/v1.0/users",
            "https://graph.microsoft.com.evil.example/v1.0/users",
            "https://graph.microsoft.com@evil.example/v1.0/users",
            "https://user@graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com:8443/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com/v2.0/users",
            "https://graph.microsoft.com/v1.0/../admin",
            "https://graph.microsoft.com/v1.0/%2e%2e/admin",
            "//evil.example/v1.0/users",
            "/v1.0/users",
            "https://graph.microsoft.com\\@evil.example/v1.0/users",
            "https://graph.microsoft.com:https/v1.0/users",
            "",
        ],
    )
    async def test_a_next_page_elsewhere_is_not_fetched(self, link: str) -> None:
        wire = Wire(by_path(methods={"value": [], "@odata.nextLink": link}))
        with pytest.raises(UnexpectedAnswer, match="elsewhere"):
            await wire.directory.methods(WHO)
        assert len(wire.sent) == 2

    async def test_a_list_without_end_is_left(self) -> None:
        def growing(request: httpx.Request) -> httpx.Response:
            page = int(request.url.params.get("$skiptoken", 0))
            link = {"@odata.nextLink": f"{GRAPH}/v1.0/users/{WHO}/authentication/methods?$skiptoken={page + 1}"}
            return httpx.Response(200, json={"value": [], **({} if "beta" in request.url.path else link)})

        wire = Wire(growing)
        with pytest.raises(UnexpectedAnswer, match="no end"):
            await wire.directory.methods(WHO)
        assert sum("v1.0" in url for url in wire.urls) == MAX_PAGES

    async def test_a_list_that_goes_in_circles_is_left(self) -> None:
        wire = Wire(by_path(methods={"value": [], "@odata.nextLink": f"{GRAPH}/v1.0/users/{WHO}/authentication/methods"}))
        with pytest.raises(UnexpectedAnswer):
            await wire.directory.methods(WHO)
        assert len(wire.sent) == 3

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_neither_followed_nor_taken_for_success(self, status: int) -> None:
        wire = Wire(always(status, headers={"Location": "https://evil.example/"}))
        with pytest.raises(UnexpectedAnswer):
            await wire.directory.remove(WHO, PHONE)
        with pytest.raises(UnexpectedAnswer):
            await wire.directory.person(ADELE)
        assert {request.url.host for request in wire.sent} == {"graph.microsoft.com"}


class TestAnswers:
    async def test_an_error_without_a_body_is_an_error(self) -> None:
        with pytest.raises(Forbidden, match=r"user 403$"):
            await Wire(always(403)).directory.person(ADELE)

    async def test_a_gateway_page_is_waited_out(self) -> None:
        wire = Wire(always(502, text="<html>Bad Gateway</html>", headers={"Content-Type": "text/html"}))
        with pytest.raises(Unavailable, match=r"user 502$"):
            await wire.directory.person(ADELE)

    async def test_the_other_shape_of_404_is_a_404(self) -> None:
        answer = {"Message": "No HTTP resource was found that matches the request URI", "MessageDetail": "No type was found"}
        removed = await Wire(always(404, answer, headers={"request-id": "abc"})).directory.remove(WHO, PHONE)
        assert (removed.gone, removed.status, removed.request_id) == (True, 404, "abc")

    async def test_the_request_id_is_taken_from_the_body_where_no_header_has_it(self) -> None:
        answer = {
            "error": {"code": "badRequest", "message": "default", "innerError": {"message": "default", "request-id": "abc"}}
        }
        assert (await Wire(always(400, answer)).directory.remove(WHO, PHONE)).request_id == "abc"

    async def test_identifiers_that_are_none_do_not_reach_a_log(self) -> None:
        answer = {"error": {"code": "bad\nrequest", "innerError": {"request-id": "x" * 65}}}
        with pytest.raises(Forbidden, match=r"^graph: user 403$"):
            await Wire(always(403, answer)).directory.person(ADELE)

    async def test_a_claims_challenge_is_answered_once_with_a_new_token(self) -> None:
        claims = base64.b64encode(b'{"access_token":{"nbf":{"essential":true}}}').decode()
        challenge = {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{claims}"'}
        wire = Wire(lambda _: httpx.Response(200, json=USER) if len(wire.sent) > 1 else httpx.Response(401, headers=challenge))
        assert (await wire.directory.person(ADELE)).enabled
        assert [options.get("claims") for _, options in wire.credential.asked] == [None, base64.b64decode(claims).decode()]
        stubborn = Wire(always(401, headers=challenge))
        with pytest.raises(Unavailable):
            await stubborn.directory.person(ADELE)
        assert len(stubborn.sent) == 4  # the SDK's own second try, and ours


class TestRetries:
    @pytest.mark.parametrize("status", [429, 503, 504])
    async def test_the_sdk_itself_never_repeats_a_call(self, status: int) -> None:
        wire = Wire(always(status, headers={"Retry-After": "60"}))
        with pytest.raises(Unavailable):
            await wire.directory.remove(WHO, PHONE)
        assert len(wire.sent) == 1
        assert "Retry-Attempt" not in wire.sent[0].headers

    async def test_the_middleware_is_in_place_all_the_same(self) -> None:
        wire = Wire(always(200, USER))
        await wire.directory.person(ADELE)
        assert isinstance(wire.clients.http._transport, AsyncGraphTransport)
        assert wire.sent[0].headers["SdkVersion"].startswith("graph-python/1.")
        assert wire.sent[0].headers["client-request-id"]

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7),
            (" 0 ", 0),
            ("2.128", 2.128),
            ("2,128", 2.128),
            ("Tue, 24 Nov 2026 02:35:46 GMT", 30),
            ("Tue, 24 Nov 2026 03:35:46 +0100", 30),
            ("Tue, 24 Nov 2026 02:35:46 -0000", 30),
            ("Tue, 24 Nov 2026 02:00:00 GMT", 0),
            ("-1", None),
            ("soon", None),
            ("1e3", None),
            ("inf", None),
            ("nan", None),
            ("٣", None),
            ("99999999999999999999", 7 * 86400.0),
            ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
            ("", None),
            (None, None),
        ],
    )
    def test_retry_after_is_read_in_every_form(self, header: str | None, seconds: float | None) -> None:
        assert retry_after(header, NOW) == (None if seconds is None else timedelta(seconds=seconds))

    @given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True))
    def test_no_header_breaks_the_wait_or_turns_it_round(self, header: str) -> None:
        wait = retry_after(header, NOW)
        assert wait is None or wait >= timedelta()

    async def test_a_header_that_breaks_the_sdks_parser_does_not_reach_it(self) -> None:
        wire = Wire(always(503, headers={"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}))
        with pytest.raises(Unavailable) as failure:
            await wire.directory.person(ADELE)
        assert failure.value.retry_after is None

    async def test_a_fraction_of_a_second_is_waited_exactly(self) -> None:
        wire = Wire(
            lambda _: httpx.Response(200, json=USER) if len(wire.sent) > 1 else always(429, headers={"Retry-After": "0.5"})(_)
        )
        await wire.directory.person(ADELE)
        assert wire.clock.slept == [0.5]


class TestLifeOfTheClients:
    def test_a_second_event_loop_makes_its_own_clients(self) -> None:
        async def once() -> bool:
            async with running(SimulatedGraph().app) as root, connect(root, Credential()) as clients:
                return (await GraphDirectory(clients, FrozenClock()).person(ADELE)).enabled

        assert asyncio.run(once())
        assert asyncio.run(once())

    def test_clients_of_an_ended_loop_fail_without_an_answer(self) -> None:
        async def first() -> tuple[GraphClients, int]:
            async with running(SimulatedGraph().app) as root:
                clients = connect(root, Credential())
                await GraphDirectory(clients, FrozenClock()).person(ADELE)
                return clients, int(root.rpartition(":")[2])

        async def second(clients: GraphClients, port: int) -> None:
            async with running(SimulatedGraph().app, port):
                await GraphDirectory(clients, FrozenClock()).person(ADELE)

        clients, port = asyncio.run(first())
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            asyncio.run(second(clients, port))

    async def test_closed_clients_leave_no_connection_open(self) -> None:
        async with running(SimulatedGraph().app) as root:
            async with connect(root, Credential()) as clients:
                await asyncio.gather(*(GraphDirectory(clients, FrozenClock()).person(ADELE) for _ in range(3)))
                assert pool(clients).connections
            assert pool(clients).connections == []

    async def test_one_client_serves_every_invocation(self) -> None:
        async with running(SimulatedGraph().app) as root, connect(root, Credential()) as clients:
            for _ in range(3):
                await GraphDirectory(clients, FrozenClock()).person(ADELE)
            assert len(pool(clients).connections) == 1

    async def test_graph_is_spoken_to_in_http_2(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        context.set_alpn_protocols(["h2"])
        async with speaking_http_2(json.dumps(USER).encode(), context) as (root, asked), connect(root, Credential()) as clients:
            directory = GraphDirectory(clients, FrozenClock())
            await asyncio.gather(directory.person(ADELE), directory.person(ADELE))
        assert [headers[b":path"].partition(b"?")[0] for headers in asked] == [b"/v1.0/users/adele.vance%40contoso.com"] * 2

    def test_the_generated_models_are_never_loaded(self) -> None:
        """They cost 1.4 s and more on a worker's first call."""
        script = """
import asyncio, sys
from tests.contract.test_sdk_traps import WHO, PHONE, USER, ADELE, Wire, always, by_path
async def main():
    await Wire(always(200, USER)).directory.person(ADELE)
    await Wire(by_path(signInPreferences={})).directory.inventory(WHO)
    await Wire(by_path()).directory.standing(WHO)
    await Wire(always(204)).directory.remove(WHO, PHONE)
    await Wire(always(204)).directory.revoke_sessions(WHO)
    await Wire(always(204)).directory.prefer(WHO, "sms")
asyncio.run(main())
print(*(name for name in sys.modules if name.startswith("msgraph.generated.models.")))
"""
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == []


class TestWhyWeGoAround:
    async def test_msgraph_core_does_not_close_the_transport_that_it_wraps(self) -> None:
        async with running(SimulatedGraph().app) as root:
            clients = connect(root, Credential())
            await GraphDirectory(clients, FrozenClock()).person(ADELE)
            await clients.http.aclose()
            assert pool(clients).connections
            await clients.aclose()

    async def test_a_redirect_that_is_not_followed_counts_as_success(self) -> None:
        wire = Wire(always(302, headers={"Location": "https://evil.example/"}))
        phones = wire.clients.sdk.users.by_user_id(WHO).authentication.phone_methods
        assert await phones.by_phone_authentication_method_id("x").delete() is None

    async def test_an_adapter_without_a_base_url_makes_double_slashes(self) -> None:
        tokens = connect(GRAPH, Credential()).tokens
        client = GraphServiceClient(request_adapter=GraphRequestAdapter(tokens))
        request = client.users.by_user_id(WHO).to_get_request_information()
        request.path_parameters["baseurl"] = client.request_adapter.base_url
        assert request.url.startswith(f"{GRAPH}/v1.0//users/")

    def test_the_retry_handler_cannot_read_fractions_and_breaks_on_big_years(self) -> None:
        assert RetryHandler()._parse_retry_after("2.128") is None
        with pytest.raises(OverflowError):
            RetryHandler()._parse_retry_after("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")


def pool(clients: GraphClients) -> Any:
    return clients.transport._pool  # type: ignore[attr-defined]


@asynccontextmanager
async def speaking_http_2(body: bytes, context: ssl.SSLContext) -> AsyncIterator[tuple[str, list[dict[bytes, bytes]]]]:
    """A TLS server on loopback that knows HTTP/2 only and answers every request with `body` as JSON."""
    asked: list[dict[bytes, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while received := await reader.read(65536):
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    assert event.stream_id is not None
                    asked.append(dict(event.headers or []))
                    connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                    connection.send_data(event.stream_id, body, end_stream=True)
            writer.write(connection.data_to_send())
        writer.close()

    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
