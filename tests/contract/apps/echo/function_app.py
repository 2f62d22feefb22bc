"""HTTP functions that show what they received, and the ways in which one can answer or fail."""

import asyncio
import contextvars
import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()

before: contextvars.ContextVar[str] = contextvars.ContextVar("before", default="nothing")


def _seen(req: func.HttpRequest, who: str) -> func.HttpResponse:
    seen = {
        "who": who,
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "header": req.headers.get("x-many"),
        "body": req.get_body().decode("latin-1"),
    }
    headers = {"x-answer": "yes", "set-cookie": "crumb=1; Path=/; HttpOnly; SameSite=Strict"}
    return func.HttpResponse(json.dumps(seen), status_code=203, mimetype="application/json", headers=headers)


@app.route("items/{id:int}", methods=["GET", "POST"])
async def item(req: func.HttpRequest) -> func.HttpResponse:
    return _seen(req, "item")


@app.route("items/{name}", methods=["GET"])
def named(req: func.HttpRequest) -> func.HttpResponse:
    return _seen(req, "named")


@app.route("items/latest", methods=["GET"])
def latest(req: func.HttpRequest) -> func.HttpResponse:
    return _seen(req, "latest")


@app.route("files/{*path}", auth_level=func.AuthLevel.ANONYMOUS)
def files(req: func.HttpRequest) -> func.HttpResponse:
    return _seen(req, "files")


@app.route("secret", auth_level=func.AuthLevel.ADMIN)
def secret(req: func.HttpRequest) -> func.HttpResponse:
    return _seen(req, "secret")


@app.route("text", auth_level=func.AuthLevel.ANONYMOUS)
async def text(req: func.HttpRequest) -> str:
    found = before.get()
    before.set("another request")
    return f"just text, before: {found}"


@app.route("broken", auth_level=func.AuthLevel.ANONYMOUS)
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("asked to fail")


@app.route("wait", auth_level=func.AuthLevel.ANONYMOUS)
async def wait(req: func.HttpRequest) -> func.HttpResponse:
    """Answers once someone writes to the named pipe GATE."""
    return func.HttpResponse(await asyncio.to_thread(Path(os.environ["GATE"]).read_text))
