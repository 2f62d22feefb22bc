"""What the bench compares with: a route that only puts its body on a queue, and a worker that only passes it on."""

import azure.functions as func

app = func.FunctionApp()

STORAGE = "AzureWebJobsStorage"


@app.function_name("enqueue")
@app.route("bare", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output("out", "bare-requests", STORAGE)
async def enqueue(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.function_name("pass_on")
@app.queue_trigger("message", "bare-requests", STORAGE)
@app.queue_output("out", "bare-results", STORAGE)
async def pass_on(message: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(message.get_body().decode())
