"""Child processes that start reliably and never outlive their parent.

A child runs in its own session, so Ctrl-C in the terminal reaches only the parent, which then stops its children in order. On
Linux the kernel kills a child when the thread that started it dies (`PR_SET_PDEATHSIG`, prctl(2)), so that even SIGKILL leaves
nothing behind; elsewhere only an orderly end does. Start children from a thread that lives as long as they shall.

A child's stdout and stderr are one stream of lines, read by a thread: no event loop is needed for the child to make progress.
"""

import asyncio
import collections
import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

PR_SET_PDEATHSIG = 1
KEPT_LINES = 1000

type Greeting = Callable[[str], Any]
"""Given each line in turn, returns what the child said about itself, or None to go on reading."""


class ChildFailed(Exception):
    """The child ended, or stayed silent too long, before it said that it is ready; carries its last lines."""


def announcement(line: str) -> dict[str, Any] | None:
    """The JSON object with a `url` that a line consists of: how every part of the sandbox says that it serves. Else None."""
    if not line.startswith("{"):
        return None
    with contextlib.suppress(ValueError):
        said = json.loads(line)
        return said if "url" in said else None
    return None


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs before `exec` so that the kernel ties its life to ours; None where there is no such call."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return tie


class Child:
    """A process of our own: `lines` holds the last of what it printed, `process` is the handle.

    `env` is its whole environment, or None for ours; `on_line` is called for every line, in the reading thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        greeting: Greeting = announcement,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._greeting, self._on_line = greeting, on_line
        self._hello: Future[Any] = Future()
        self._awaited: list[tuple[re.Pattern[str], Future[str]]] = []
        self._silent = False  # all its lines are read
        self._lock = threading.RLock()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, no locks
        )
        self._reader = threading.Thread(target=self._read, name=f"lines of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.poll()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in map(str.rstrip, stream):
                with self._lock:
                    self.lines.append(line)
                    for pattern, said in self._awaited:
                        if pattern.search(line):
                            with contextlib.suppress(InvalidStateError):  # heard before, or no longer waited for
                                said.set_result(line)
                if not self._hello.done() and (hello := self._greeting(line)) is not None:
                    self._hello.set_result(hello)
                if self._on_line:
                    self._on_line(line)
        self.process.wait()
        ended = self._failure(f"ended with {self.returncode}")
        with self._lock:
            self._silent = True
            for waiting in (self._hello, *(said for _, said in self._awaited)):
                with contextlib.suppress(InvalidStateError):
                    waiting.set_exception(ended)

    def _failure(self, what: str) -> ChildFailed:
        with self._lock:
            return ChildFailed(f"{self.name} {what}:\n" + "\n".join(self.lines))

    def hello(self, timeout: float = 30) -> Any:
        """Blocks until the child has said that it is ready, and returns what it said; else `ChildFailed`."""
        try:
            return self._hello.result(timeout)
        except TimeoutError:
            raise self._failure(f"was not ready after {timeout} s") from None

    async def ready(self, timeout: float = 30) -> Any:
        """As `hello`, without blocking the event loop."""
        return await asyncio.to_thread(self.hello, timeout)

    async def said(self, pattern: str, timeout: float = 30) -> str:
        """The first line kept, or the next one to come, that `pattern` is found in; `ChildFailed` when none comes."""
        wanted: tuple[re.Pattern[str], Future[str]] = (re.compile(pattern), Future())
        with self._lock:
            if found := next(filter(wanted[0].search, self.lines), None):
                return found
            if self._silent:
                raise self._failure(f"ended without {pattern!r}")
            self._awaited.append(wanted)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(wanted[1]), timeout)
        except TimeoutError:
            raise self._failure(f"did not say {pattern!r} in {timeout} s") from None
        finally:
            with self._lock:
                self._awaited.remove(wanted)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the child's whole process group; nothing happens when all of it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """The child and all of its group are gone: no chance to clean up, as when a machine is lost."""
        self.signal(signal.SIGKILL)
        self.wait(timeout=10)

    def stop(self, grace: float = 10) -> None:
        """The child is gone: it got SIGTERM, and SIGKILL if it was still there `grace` seconds later."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=grace)
        self.kill()  # also what it may have started itself

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended and all its lines are read; `subprocess.TimeoutExpired` when it has not."""
        status = self.process.wait(timeout)
        self._reader.join(timeout=5)
        return status


@contextlib.asynccontextmanager
async def running(
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    greeting: Greeting = announcement,
    on_line: Callable[[str], None] | None = None,
    grace: float = 10,
    timeout: float = 30,
) -> AsyncIterator[tuple[Child, Any]]:
    """Yields a child that is ready and what it said about itself; it is gone afterwards, however the block ends."""
    child = Child(name, command, env=env, cwd=cwd, greeting=greeting, on_line=on_line)
    try:
        yield child, await child.ready(timeout)
    finally:
        await asyncio.shield(asyncio.to_thread(child.stop, grace))
