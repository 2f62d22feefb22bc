"""What an administrator, or the operator of the data centre, can turn on the simulated instance."""

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """`zone` is where users live who have none of their own.

    `rate_limit` is requests per user and hour for the Table API; `hibernating` is the status of the HTML page that answers
    everything while the instance sleeps (200 and 503 have both been seen). Without `total_count` a gateway before the instance
    takes `X-Total-Count` out of its answers.
    """

    zone: str = "America/Los_Angeles"
    invalid_query_returns_no_rows: bool = False
    rate_limit: int | None = None
    hibernating: int | None = None
    total_count: bool = True
