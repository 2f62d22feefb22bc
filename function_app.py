"""The six functions: each binds, delegates and translates. Nothing is decided here."""

import json

import azure.functions as func

from shared import acceptance, deadletters, depths, health, sweep, wiring, work
from shared.app import Unready
from shared.wording import Answer

app = func.FunctionApp()


@app.function_name("webhook")
@app.route("webhooks/servicenow", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhook(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    core = wiring.app()
    if isinstance(core, Unready):
        return _http(acceptance.unavailable(core))
    return _http(await acceptance.webhook(core, req.headers, req.get_body(), context.trace_context.trace_parent))


@app.function_name("status")
@app.route("requests/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def status(req: func.HttpRequest) -> func.HttpResponse:
    core = wiring.app()
    if isinstance(core, Unready):
        return _http(acceptance.unavailable(core))
    return _http(await acceptance.status(core, req.route_params.get("id", "")))


@app.function_name("health")
@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def healthy(req: func.HttpRequest) -> func.HttpResponse:
    del req
    return _http(await health.health(wiring.app(), wiring.VERSION))


@app.function_name("work")
@app.queue_trigger("message", "mfa-requests", "AzureWebJobsStorage")
async def worker(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    await work.handle(wiring.app(), text, message.insertion_time)


@app.function_name("sweep")
@app.timer_trigger("timer", "*/15 * * * * *", use_monitor=False)
async def sweeper(timer: func.TimerRequest) -> None:
    del timer
    core = wiring.app()
    if not isinstance(core, Unready):
        await sweep.sweep(core)


@app.function_name("dead-letters")
@app.timer_trigger("timer", "0 * * * * *", use_monitor=False)
async def burier(timer: func.TimerRequest) -> None:
    del timer
    core = wiring.app()
    if not isinstance(core, Unready):
        await deadletters.bury(core)
        await depths.report(core)


def _http(answer: Answer) -> func.HttpResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **answer.headers}
    return func.HttpResponse(json.dumps(answer.body), status_code=answer.status, headers=headers)
