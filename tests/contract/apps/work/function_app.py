"""A queue function that does what its message says: `fail`, `wait` for a write to the named pipe GATE, or just report it."""

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import List  # noqa: UP035

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger("msg", "%WORK%", "")
@app.queue_output("seen", "%SEEN%", "")
async def work(msg: func.QueueMessage, seen: func.Out[str]) -> None:
    text = msg.get_body().decode()
    logging.info("working on %s with receipt %s", text, msg.pop_receipt)
    if text == "fail":
        raise RuntimeError("asked to fail")
    if text == "wait":
        await asyncio.to_thread(Path(os.environ["GATE"]).read_text)
    assert msg.insertion_time is not None
    assert msg.expiration_time is not None
    days = (msg.expiration_time - msg.insertion_time).days
    seen.set(json.dumps({"text": text, "id": msg.id, "count": msg.dequeue_count, "days": days}))


@app.route("send", methods=["POST"])
@app.queue_output("sent", "%SEEN%", "")
def send(req: func.HttpRequest, sent: func.Out[List[str]]) -> str:  # noqa: UP006 - the worker library does not know list[str]
    sent.set(req.get_body().decode().split(","))
    return "sent"
