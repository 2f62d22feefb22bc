"""The local Functions host does what the documented one does: with real function apps, Microsoft's worker library and Azurite."""

import asyncio
import base64
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage
from yarl import URL

from sandbox.azurite import azurite as fresh_azurite
from sandbox.functions_host.ncrontab import Schedule
from sandbox.functions_host.queues import poison_name
from sandbox.processes import PYTHON, ROOT, Child, ChildFailed, running

APPS = Path(__file__).parent / "apps"
KEY, MASTER = {"x-functions-key": "a-function-key"}, {"x-functions-key": "a-master-key"}


def host_command(app: Path) -> list[str | Path]:
    return [PYTHON, "-m", "sandbox.functions_host", "--app", app]


def host(app: Path, settings: dict[str, str], *options: str) -> Child:
    """A starting host of the app in that folder."""
    keys = ("--key", KEY["x-functions-key"], "--master-key", MASTER["x-functions-key"])
    return Child(
        f"host of {app.name}",
        [*host_command(app), *keys, *options],
        env={"PATH": os.environ["PATH"], **settings},
    )


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    child = host(APPS / "echo", {})
    try:
        yield child.hello()["url"]
    finally:
        child.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class TestHttp:
    async def test_a_function_receives_the_request_as_azure_hands_it_over(self, echo: str, http: aiohttp.ClientSession) -> None:
        headers = [("x-functions-key", "a-function-key"), ("X-Many", "1"), ("X-Many", "2")]
        async with http.post(f"{echo}/V1/Api/Items/7?a=1&a=2&empty=&b=%20x", headers=headers, data=b"\xffbytes") as answer:
            assert (answer.status, answer.headers["x-answer"], answer.content_type) == (203, "yes", "application/json")
            assert answer.headers["set-cookie"] == "crumb=1; HttpOnly; Path=/; SameSite=Strict"
            assert await answer.json() == {
                "who": "item",
                "method": "POST",
                "url": f"{echo}/V1/Api/Items/7?a=1&a=2&empty=&b=%20x",
                "params": {"a": "1,2", "b": " x"},
                "route": {"id": "7"},
                "header": "1,2",
                "body": "\xffbytes",
            }

    async def test_a_chunked_body_arrives_empty(self, echo: str, http: aiohttp.ClientSession) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"never seen"

        async with http.post(f"{echo}/v1/api/items/7", headers=KEY, data=chunks()) as answer:
            assert (await answer.json())["body"] == ""

    async def test_a_compressed_body_arrives_as_it_was_sent(self, echo: str, http: aiohttp.ClientSession) -> None:
        headers = {**KEY, "content-encoding": "gzip"}
        async with http.post(f"{echo}/v1/api/items/7", headers=headers, data=b"not gzip at all") as answer:
            assert (await answer.json())["body"] == "not gzip at all"

    @pytest.mark.parametrize(
        ("path", "who", "route"),
        [
            ("items/7", "item", {"id": "7"}),
            ("items/latest", "latest", {}),
            ("items/seven", "named", {"name": "seven"}),
            ("items/a%2Fb%20%25", "named", {"name": "a%2Fb %"}),
            ("files/a/b.txt", "files", {"path": "a/b.txt"}),
            ("files", "files", {}),
        ],
    )
    async def test_the_most_specific_route_wins(
        self, echo: str, http: aiohttp.ClientSession, path: str, who: str, route: dict[str, str]
    ) -> None:
        async with http.get(URL(f"{echo}/v1/api/{path}", encoded=True), headers=KEY) as answer:
            seen = await answer.json()
            assert (seen["who"], seen["route"]) == (who, route)

    @pytest.mark.parametrize(
        ("method", "path"),
        [("HEAD", "v1/api/items/7"), ("DELETE", "v1/api/items/7"), ("GET", "v1/api/none"), ("GET", "api/items/7"), ("GET", "")],
    )
    async def test_what_has_no_route_is_404_also_for_another_method(
        self, echo: str, http: aiohttp.ClientSession, method: str, path: str
    ) -> None:
        async with http.request(method, f"{echo}/{path}", headers=KEY) as answer:
            assert answer.status == 404

    @pytest.mark.parametrize(
        ("path", "headers", "status"),
        [
            ("items/7", {}, 401),
            ("items/7", {"x-functions-key": "wrong"}, 401),
            ("items/7?code=wrong", {}, 401),
            ("items/7?code=a-function-key", {}, 203),
            ("items/7", MASTER, 203),
            ("files/x", {}, 203),
            ("files/x", {"x-functions-key": "wrong"}, 203),
            ("secret", KEY, 401),
            ("secret", MASTER, 203),
        ],
    )
    async def test_keys_open_what_their_level_allows(
        self, echo: str, http: aiohttp.ClientSession, path: str, headers: dict[str, str], status: int
    ) -> None:
        async with http.get(f"{echo}/v1/api/{path}", headers=headers) as answer:
            assert answer.status == status

    async def test_an_exception_is_an_empty_500(self, echo: str, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{echo}/v1/api/broken") as answer:
            assert (answer.status, await answer.read()) == (500, b"")

    async def test_context_does_not_leak_between_requests_of_one_connection(self, echo: str, http: aiohttp.ClientSession) -> None:
        for _ in range(2):
            async with http.get(f"{echo}/v1/api/text") as answer:
                assert await answer.text() == "just text, before: nothing"

    async def test_the_state_of_the_host_is_for_administrators(self, echo: str, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{echo}/admin/host/status", headers=KEY) as answer:
            assert answer.status == 401
        async with http.get(f"{echo}/admin/host/status", headers=MASTER) as answer:
            assert (await answer.json())["state"] == "Running"


class TestStart:
    async def test_the_first_line_names_the_address_and_the_functions(self) -> None:
        child = host(APPS / "echo", {})
        try:
            await child.ready()
            assert json.loads(child.lines[0])["functions"] == [
                "broken", "files", "item", "latest", "named", "secret", "text", "wait",
            ]  # fmt: skip
        finally:
            child.stop()

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("import nothing_of_that_name", "nothing_of_that_name"),
            ("", "Could not find top level function app"),
            (None, "no functions found"),
            ("@app.queue_trigger('m', 'q', 'Elsewhere')\ndef f(m: func.QueueMessage) -> None: ...", "connection 'Elsewhere'"),
            ("@app.queue_trigger('m', '%NO%', '')\ndef f(m: func.QueueMessage) -> None: ...", "'%NO%' does not resolve"),
            ("@app.timer_trigger('t', '0 0 0 30 2 *')\ndef f(t: func.TimerRequest) -> None: ...", "never comes due"),
            ("@app.route('x')\ndef f(request: func.HttpRequest) -> str: ...", "request"),
            ("@app.blob_trigger('b', 'c', '')\ndef f(b: func.InputStream) -> None: ...", "does not emulate"),
        ],
    )
    async def test_an_app_that_cannot_be_served_ends_the_host_with_the_reason(
        self, tmp_path: Path, source: str | None, says: str
    ) -> None:
        if source is not None:
            opening = "import azure.functions as func\napp = func.FunctionApp()\n" if source.startswith("@") else ""
            (tmp_path / "function_app.py").write_text(opening + source)
        child = host(tmp_path, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"} if source is None else {})
        with pytest.raises(ChildFailed, match=says):
            await child.ready()
        assert child.returncode == 1


@dataclass
class Job:
    """One test's queues, host and named pipe."""

    storage: str
    name: str
    folder: Path

    def queue(self, suffix: str) -> QueueClient:
        return QueueClient.from_connection_string(self.storage, self.name + suffix)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    async def open_gate(self) -> None:
        """A waiting function goes on."""
        await asyncio.wait_for(asyncio.to_thread(self.gate.write_text, "open"), 10)

    def host(self, *options: str, app: Path = APPS / "work") -> Child:
        names = {"WORK": f"{self.name}-work", "SEEN": f"{self.name}-seen", "GATE": str(self.gate)}
        return host(app, {"AzureWebJobsStorage": self.storage, **names}, *options)

    @asynccontextmanager
    async def running(self, *options: str, app: Path = APPS / "work") -> AsyncIterator[Child]:
        child = self.host(*options, app=app)
        try:
            await child.ready()
            yield child
        finally:
            child.stop(grace=1)

    def app(self, **queues: Any) -> Path:
        """The app with another queue policy."""
        folder = self.folder / "app"
        folder.mkdir()
        (folder / "function_app.py").write_text((APPS / "work" / "function_app.py").read_text())
        (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
        return folder


@pytest.fixture
def job(azurite: str, tmp_path: Path) -> Job:
    job = Job(azurite, f"t{uuid.uuid4().hex[:12]}", tmp_path)
    job.queue("-work").create_queue()
    os.mkfifo(job.gate)
    return job


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def received(queue: QueueClient, count: int = 1, within: float = 10) -> list[QueueMessage]:
    """That many messages; the queue itself can only be asked again and again."""
    found: list[QueueMessage] = []
    deadline = time.monotonic() + within
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} messages came"
        with suppress(ResourceNotFoundError):
            found += await asyncio.to_thread(lambda: list(queue.receive_messages(max_messages=count)))
        await asyncio.sleep(0.05)
    return found


async def emptied(queue: QueueClient, within: float = 5) -> None:
    """Returns once the queue holds no message, not even a hidden one."""
    deadline = time.monotonic() + within
    while (await asyncio.to_thread(queue.get_queue_properties)).approximate_message_count:
        assert time.monotonic() < deadline, "messages are left"
        await asyncio.sleep(0.05)


def executions(child: Child) -> int:
    return sum("Executing 'Functions.work'" in line for line in child.lines)


class TestQueues:
    async def test_a_message_is_handed_over_with_its_facts_and_deleted_after_success(self, job: Job) -> None:
        sent = job.queue("-work").send_message(encoded("hello"))
        async with job.running():
            [seen] = await received(job.queue("-seen"))
            assert json.loads(base64.b64decode(seen.content)) == {"text": "hello", "id": sent.id, "count": 1, "days": 7}
            await emptied(job.queue("-work"))

    async def test_a_queue_that_does_not_exist_is_neither_made_nor_an_error(self, job: Job) -> None:
        job.queue("-work").delete_queue()
        async with job.running() as child:
            with pytest.raises(ResourceNotFoundError):
                job.queue("-work").get_queue_properties()
            job.queue("-work").create_queue()
            job.queue("-work").send_message(encoded("late"))
            await child.said(r"working on late")
            assert not any("ERROR" in line for line in child.lines)

    async def test_a_failing_message_is_tried_as_often_as_allowed_and_set_aside_as_it_was(self, job: Job) -> None:
        sent = job.queue("-work").send_message(encoded("fail"))
        async with job.running() as child:
            [poison] = await received(job.queue("-work-poison"))
            assert (poison.content, poison.dequeue_count) == (encoded("fail"), 1)
            assert poison.id != sent.id
            await child.said(f"Message has reached MaxDequeueCount of 2. Moving message to queue '{job.name}-work-poison'")
            await emptied(job.queue("-work"))
            assert executions(child) == 2

    async def test_a_failed_message_comes_back_after_the_visibility_timeout(self, job: Job) -> None:
        job.queue("-work").send_message(encoded("fail"))
        async with job.running(app=job.app(maxDequeueCount=2, visibilityTimeout="00:00:02")) as child:
            await child.said("Executed 'Functions.work' .Failed")
            failed = time.monotonic()
            await received(job.queue("-work-poison"))
            assert 1.5 < time.monotonic() - failed < 6
            assert executions(child) == 2

    async def test_an_output_that_cannot_be_written_fails_the_invocation(self, job: Job) -> None:
        job.queue("-work").send_message(encoded("hello"))
        names = {"WORK": f"{job.name}-work", "SEEN": "Not a queue name", "GATE": ""}
        child = host(APPS / "work", {"AzureWebJobsStorage": job.storage, **names})
        try:
            await received(job.queue("-work-poison"))
            assert executions(child) == 2
        finally:
            child.stop()

    async def test_what_is_not_base64_is_set_aside_without_an_invocation(self, job: Job) -> None:
        job.queue("-work").send_message("{not base64}")
        async with job.running() as child:
            [poison] = await received(job.queue("-work-poison"))
            assert poison.content == "{not base64}"
            assert executions(child) == 0

    async def test_plain_text_is_taken_as_it_is_when_the_policy_says_so(self, job: Job) -> None:
        job.queue("-work").send_message("plain")
        async with job.running(app=job.app(messageEncoding="none")):
            [seen] = await received(job.queue("-seen"))
            assert json.loads(seen.content)["text"] == "plain"

    async def test_a_message_above_the_maximum_is_set_aside_without_an_invocation(self, job: Job) -> None:
        job.queue("-work").send_message(encoded("hello"))
        for _ in range(2):
            [message] = await received(job.queue("-work"))
            job.queue("-work").update_message(message.id, message.pop_receipt, visibility_timeout=0)
        async with job.running() as child:
            await received(job.queue("-work-poison"))
            assert executions(child) == 0

    async def test_a_queue_for_poison_has_none_of_its_own_and_keeps_a_failed_message_hidden(self, job: Job) -> None:
        queue = job.queue("-poison")
        queue.create_queue()
        queue.send_message(encoded("fail"))
        child = host(
            APPS / "work", {"AzureWebJobsStorage": job.storage, "WORK": queue.queue_name, "SEEN": f"{job.name}-seen", "GATE": ""}
        )
        try:
            await child.said("Executed 'Functions.work' .Failed")
            assert queue.peek_messages() == []
            assert queue.get_queue_properties().approximate_message_count == 1
        finally:
            child.stop()

    def test_a_queue_has_no_poison_queue_when_its_name_would_be_too_long(self) -> None:
        assert poison_name("a" * 56) == "a" * 56 + "-poison"
        assert poison_name("a" * 57) is None

    async def test_one_at_a_time_when_the_policy_says_so(self, job: Job) -> None:
        for text in ("wait", "second"):
            job.queue("-work").send_message(encoded(text))
        async with job.running(app=job.app(batchSize=1, newBatchThreshold=0)) as child:
            await child.said("working on wait")
            await asyncio.sleep(0.5)  # several polls of an idle host
            assert executions(child) == 1
            await job.open_gate()
            await child.said("working on second")

    async def test_a_long_run_keeps_its_message_by_renewing_the_lease_under_new_receipts(self, job: Job) -> None:
        sent = job.queue("-work").send_message(encoded("wait"))
        async with job.running("--lease-seconds", "2") as child:
            first = (await child.said("working on wait")).split()[-1]
            await asyncio.sleep(3.2)  # more than a lease: only renewal can have kept it
            assert executions(child) == 1
            with pytest.raises(HttpResponseError, match=r"(?i)pop ?receipt"):
                job.queue("-work").delete_message(sent.id, first)
            await job.open_gate()
            await received(job.queue("-seen"))
            await emptied(job.queue("-work"))

    async def test_a_killed_host_leaves_its_message_to_the_lease(self, job: Job) -> None:
        job.queue("-work").send_message(encoded("wait"))
        async with job.running("--lease-seconds", "3") as child:
            await child.said("working on wait")
            taken = time.monotonic()
            child.kill()
        async with job.running() as second:
            await second.said("working on wait")
            assert time.monotonic() - taken > 2
            await job.open_gate()
            [seen] = await received(job.queue("-seen"))
            assert json.loads(base64.b64decode(seen.content))["count"] == 2

    async def test_a_stopping_host_finishes_what_it_has_and_takes_nothing_more(self, job: Job) -> None:
        job.queue("-work").send_message(encoded("wait"))
        async with job.running() as child:
            await child.said("working on wait")
            child.signal(signal.SIGTERM)
            await child.said("Stopping")
            job.queue("-work").send_message(encoded("too late"))
            await job.open_gate()
            assert await asyncio.to_thread(child.wait, 10) == 0
            assert executions(child) == 1
            [left] = job.queue("-work").peek_messages(max_messages=5)
            assert left.content == encoded("too late")

    async def test_an_http_function_can_put_a_list_on_a_queue_that_is_made_for_it(
        self, job: Job, http: aiohttp.ClientSession
    ) -> None:
        async with job.running() as child, http.post(f"{child.hello()['url']}/api/send", headers=KEY, data="a,b") as answer:
            assert await answer.text() == "sent"
            assert {base64.b64decode(m.content) for m in await received(job.queue("-seen"), 2)} == {b"a", b"b"}


class TestStop:
    async def test_a_request_under_way_is_answered_and_an_idle_connection_delays_nothing(
        self, tmp_path: Path, http: aiohttp.ClientSession
    ) -> None:
        os.mkfifo(gate := tmp_path / "gate")
        async with running("host", host_command(APPS / "echo"), env={**os.environ, "GATE": str(gate)}) as (child, hello):
            async with http.get(f"{hello['url']}/v1/api/text") as answer:
                assert answer.status == 200  # its connection stays open, idle

            async def waiting() -> str:
                async with http.get(f"{hello['url']}/v1/api/wait") as answer:
                    return await answer.text()

            async with aiohttp.ClientSession() as other, other.get(f"{hello['url']}/v1/api/text"):
                request = asyncio.create_task(waiting())
                await child.said("Executing 'Functions.wait'")
                child.signal(signal.SIGTERM)
                await child.said("Stopping")
                await asyncio.to_thread(gate.write_text, "answered")
                assert await request == "answered"
                assert await asyncio.to_thread(child.wait, 10) == 0

    async def test_nothing_outlives_a_parent_that_is_killed(self, tmp_path: Path) -> None:
        script = tmp_path / "parent.py"
        script.write_text(
            "import asyncio, json\n"
            "from sandbox.azurite import Azurite\n"
            "from sandbox.processes import PYTHON, running\n"
            "async def main():\n"
            "    emulator = await Azurite().ready()\n"
            f"    async with running('host', {[str(p) for p in host_command(APPS / 'echo')]!r}) as (child, _):\n"
            "        print(json.dumps({'url': '', 'pids': [emulator.child.pid, child.pid]}), flush=True)\n"
            "        await asyncio.Event().wait()\n"
            "asyncio.run(main())\n"
        )
        parent = Child("parent", [sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)})
        children = [psutil.Process(pid) for pid in (await parent.ready())["pids"]]
        os.kill(parent.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        parent.kill()


class TestTimers:
    async def test_a_timer_fires_by_its_schedule_and_for_an_administrator(self, http: aiohttp.ClientSession) -> None:
        child = host(APPS / "clock", {"RARELY": "0 0 0 29 2 *"})
        try:
            url = (await child.ready())["url"]
            await child.said("tick, past due: False", timeout=5)
            rarely = f"{url}/admin/functions/rarely"
            for headers, name, status in [(KEY, "rarely", 401), (MASTER, "none", 404), (MASTER, "rarely", 202)]:
                async with http.post(f"{url}/admin/functions/{name}", headers=headers, json={}) as answer:
                    assert answer.status == status
            async with http.post(rarely, headers=MASTER, data="") as answer:
                assert answer.status == 415
            await child.said("Executed 'Functions.rarely' .Succeeded", timeout=5)
        finally:
            child.stop()

    async def test_a_function_that_is_disabled_is_out_of_service(self, http: aiohttp.ClientSession) -> None:
        disabled = {f"AzureWebJobs.{name}.Disabled": value for name, value in (("tick", "true"), ("rarely", "1"))}
        child = host(APPS / "clock", {"RARELY": "0 0 0 29 2 *", **disabled})
        try:
            ready = await child.ready()
            assert ready["functions"] == []
            async with http.post(f"{ready['url']}/admin/functions/rarely", headers=MASTER, json={}) as answer:
                assert answer.status == 404
            with pytest.raises(ChildFailed, match="did not say"):
                await child.said("tick, past due", timeout=2)
        finally:
            child.stop()

    @pytest.mark.parametrize(
        ("schedule", "after", "due"),
        [
            ("0 */5 * * * *", "2026-11-24T02:35:00", "2026-11-24T02:40:00"),
            ("*/15 * * * * *", "2026-11-24T02:35:50", "2026-11-24T02:36:00"),
            ("0 30 9 * * 1-5", "2026-11-27T09:30:00", "2026-11-30T09:30:00"),
            ("0 30 9 * Jan Mon", "2026-11-27T09:30:00", "2027-01-04T09:30:00"),
            ("0 0 0 29 2 *", "2026-11-24T00:00:00", "2028-02-29T00:00:00"),
            ("0 0 8,20 * * *", "2026-11-24T08:00:00", "2026-11-24T20:00:00"),
            ("0 10/20 * * * *", "2026-11-24T02:35:00", "2026-11-24T02:50:00"),
            ("0 0 0 13 * Fri", "2026-11-24T00:00:00", "2027-08-13T00:00:00"),
            ("*/10 * * * *", "2026-11-24T02:35:00", "2026-11-24T02:40:00"),
        ],
    )
    def test_a_schedule_comes_due_as_ncrontab_says(self, schedule: str, after: str, due: str) -> None:
        at = datetime.fromisoformat(after).replace(tzinfo=UTC)
        assert Schedule.parse(schedule).after(at) == datetime.fromisoformat(due).replace(tzinfo=UTC)

    @pytest.mark.parametrize(
        "schedule", ["", "* * * *", "60 * * * * *", "0 0 0 0 * *", "x * * * * *", "*/0 * * * * *", "00:05:00"]
    )
    def test_what_is_not_a_schedule_is_refused(self, schedule: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            Schedule.parse(schedule)


async def test_azurite_can_hold_two_accounts_that_share_nothing() -> None:
    async with fresh_azurite(2) as (first, second):
        QueueClient.from_connection_string(first.connection_string, "only-here").create_queue()
        with pytest.raises(ResourceNotFoundError):
            QueueClient.from_connection_string(second.connection_string, "only-here").get_queue_properties()
