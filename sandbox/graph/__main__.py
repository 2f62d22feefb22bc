"""`python -m sandbox.graph --port 0 [--seed FILE] [--audience AUD ...]`: the simulated Graph as a process."""

import argparse
from pathlib import Path

from aiohttp import web

from sandbox.graph import SimulatedGraph, Tenant
from sandbox.people import Seed
from sandbox.simulator import serve


def make(arguments: argparse.Namespace) -> web.Application:
    seed = Seed.from_json(arguments.seed.read_bytes()) if arguments.seed else None
    return SimulatedGraph(Tenant(seed), arguments.audience).app


if __name__ == "__main__":
    serve(make, seed={"type": Path, "help": "JSON of the tenant's beginning"}, audience={"action": "append"})
