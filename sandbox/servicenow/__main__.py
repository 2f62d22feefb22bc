"""`python -m sandbox.servicenow --port 0 --seed seed.json --audience X --webhook URL --webhook-key whsec_...`"""

import argparse
import json
from pathlib import Path

from aiohttp import web

from sandbox.servicenow import SimulatedServiceNow
from sandbox.simulator import serve


def instance(arguments: argparse.Namespace) -> web.Application:
    seed = json.loads(arguments.seed.read_text()) if arguments.seed else {}
    return SimulatedServiceNow(
        seed, audience=arguments.audience, webhook=arguments.webhook, webhook_key=arguments.webhook_key
    ).app


if __name__ == "__main__":
    serve(
        instance,
        seed={"type": Path, "help": "JSON file with what the instance holds at first"},
        audience={"help": "audience of the bearer tokens that the instance accepts"},
        webhook={"default": "", "help": "address that is told of approvals"},
        **{"webhook-key": {"default": "", "help": "whsec_... key that signs what is sent"}},
    )
