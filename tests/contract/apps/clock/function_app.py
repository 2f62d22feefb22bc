"""Timers: one by the second, one that only an administrator can fire."""

import logging

import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger("timer", "* * * * * *")
async def tick(timer: func.TimerRequest) -> None:
    logging.info("tick, past due: %s", timer.past_due)


@app.timer_trigger("timer", "%RARELY%")
def rarely(timer: func.TimerRequest) -> None:
    logging.info("rarely")
