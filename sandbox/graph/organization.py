"""What the simulated tenant says about itself: its name, its domains, its licences."""

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from sandbox.people import DOMAIN
from sandbox.tokens import TENANT

_SHAPE = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


@dataclass(kw_only=True)
class Organization:
    """`domains` are the verified ones; the first is the initial one, the last the default. `skus`: seats in use by licence."""

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    id: str = TENANT
    display_name: str = "Contoso"
    domains: list[str] = field(default_factory=lambda: ["contoso.onmicrosoft.com", DOMAIN])
    synced: bool = False
    skus: dict[str, int] = field(default_factory=lambda: {"AAD_PREMIUM_P2": 23})
