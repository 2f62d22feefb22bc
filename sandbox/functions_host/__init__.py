"""A local Azure Functions host: Microsoft's own worker library for Python 3.13, with what surrounds it rebuilt here.

`python -m sandbox.functions_host --app DIR --key KEY`; what is emulated and what is not stands in `sandbox/README.md`.
"""
