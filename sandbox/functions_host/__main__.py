"""`python -m sandbox.functions_host`: prints `{"url": ..., "functions": [...]}`, then logs; settings come from the environment.

SIGTERM or SIGINT ends it once the work under way is done (a second one at once). It exits with 1 when the app cannot be served.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.functions_host.connections import SettingMissing
from sandbox.functions_host.host import Options, serving
from sandbox.functions_host.policy import PolicyInvalid
from sandbox.functions_host.queues import LEASE
from sandbox.functions_host.worker import IndexingFailed

log = logging.getLogger("host")

NOISY = ("azure.functions", "azure.core.pipeline.policies.http_logging_policy", "azure.identity")


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="sandbox.functions_host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--key", default=secrets.token_urlsafe(24), help="the key for functions of level function")
    parser.add_argument("--master-key", help="the key for administration and functions of level admin (default: --key)")
    parser.add_argument(
        "--lease-seconds", type=int, default=LEASE, help="how long a received message stays hidden unless renewed"
    )
    given = parser.parse_args()
    return Options(given.app.resolve(), given.port, given.key, given.master_key or given.key, given.lease_seconds)


@contextlib.contextmanager
def _first_line_kept() -> Iterator[None]:
    """What is printed and logged meanwhile goes to stderr: the first line of stdout is the host's.

    The descriptor is turned, not `sys.stdout`, since an app may keep a reference to that object.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


async def _main(options: Options) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    async with contextlib.AsyncExitStack() as stack:
        with _first_line_kept():
            url, functions = await stack.enter_async_context(serving(options, os.environ))
        print(json.dumps({"url": url, "functions": functions}), flush=True)
        await stop.wait()
        log.info("Stopping: no new work, waiting for what is under way")
    log.info("Stopped")


def main() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    options = _options()
    os.chdir(options.app)
    try:
        asyncio.run(_main(options))
    except* (IndexingFailed, PolicyInvalid, SettingMissing) as errors:
        sys.exit("\n".join(f"the app cannot be served: {error}" for error in errors.exceptions))


if __name__ == "__main__":
    main()
