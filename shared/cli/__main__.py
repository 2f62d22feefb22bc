"""`python -m shared.cli`: what `.venv/bin/reregister` runs."""

from shared.cli import main

main()
