"""Which modules the app can reach: the closure of its imports, those inside functions included.

* **The app**: every import must lead somewhere.
* **Distributions with extension modules** are taken whole, and so is what they require: what compiled code imports is not to be
  read.
* **Generated ones** (`BY_MEMBER`) have a class for every path of an API, each of whose members imports the next. An import inside
  a member counts once its name is asked for: by modules of the app that import generated code or one another to get at it (others
  see it behind a port only), by the distributions that generated code builds on, or by a member that counts. An asynchronous one
  is not asked for by a call of that name that a library makes and does not await.
* **All others**: every import in every reached module; what is not installed is optional to them.
* Imports under a computed name are listed in `COMPUTED`; one that is not ends the build.
"""

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.package import CannotPackage
from infra.package.distributions import EXTENSION, Distribution
from infra.package.imports import Asked, Member, Reading, read

ROOTS = ("function_app", "azure_functions_runtime")
"""What the platform imports by name: the app, and the library that runs it."""

BY_MEMBER = frozenset({"msgraph-sdk"})

COMPUTED: Mapping[str, tuple[str, ...]] = {
    "anyio._lazyimport": (),  # what the module says to type checkers; without its source it imports all of that at once
    "anyio._core._eventloop": ("anyio._backends._asyncio",),
    "azure_functions_runtime.http_v2": (),  # frameworks for streaming, of which the app has none
    "azure_functions_runtime.loader": ("function_app",),
    "pydantic": (),  # lazily, what it also imports for type checkers
    "pydantic._internal._validators": (),  # fields that name a module; the app has none
    "pydantic.v1.utils": (),  # the same, as it was in version 1
    "pydantic.v1.version": (),  # asks which optional packages are there
    "requests.compat": ("charset_normalizer",),
    "requests.packages": ("urllib3", "idna", "charset_normalizer"),
    "werkzeug.utils": (),  # modules that a caller names; nobody does
}
"""What is imported under a computed name, by the module that does it."""


BUILDERS: Mapping[str, tuple[str, ...]] = {"cffi": ("_cffi_backend",)}
"""What compiled code was built with, by distribution: of it, compiled code needs these modules once it runs."""


@dataclass
class Closure:
    """`reached` are the modules found; `whole` the distributions of which all modules are."""

    reached: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)


class _Search:
    def __init__(self, app: Mapping[str, bytes], packages: frozenset[str], library: Mapping[str, Distribution]) -> None:
        self.closure = Closure()
        self._readings = {module: read(text, module, package=module in packages) for module, text in app.items()}
        self._app, self._library = app, library
        self._owner = {module: one for one in library.values() for module in one.modules}
        self._todo: deque[str] = deque()
        self._asked = Asked()
        self._unasked: list[Member] = []
        self._asks: dict[str, Asked] = {}  # by distribution, as far as it is read
        self._heard: set[str] = set()  # distributions whose questions count
        self._holders = self._who_may_hold_generated_objects()

    def run(self, roots: Iterable[str]) -> Closure:
        self._reach(roots)
        while self._todo:
            module = self._todo.popleft()
            if module in self._app:
                self._read_app(module)
            else:
                self._read_library(module, self._owner[module])
        return self.closure

    def _reach(self, names: Iterable[str]) -> None:
        """All modules among the names, and the packages that they are in, will be read."""
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                module = ".".join(parts[:end])
                if module not in self.closure.reached and (module in self._app or module in self._owner):
                    self.closure.reached.add(module)
                    self._todo.append(module)

    def _read_app(self, module: str) -> None:
        reading = self._readings[module]
        if reading.computed_imports or reading.computed_attributes:
            raise CannotPackage(f"{module} looks something up under a computed name: {reading}")
        for name in reading.all_imports:
            if not self._leads_somewhere(name):
                raise CannotPackage(f"{module} imports {name}, which is neither the app's, nor pinned, nor Python's")
        self._reach(reading.all_imports)
        if module in self._holders:
            asks = reading.all_asks
            self._ask(Asked(asks.names, asks.names))  # our own calls may be awaited elsewhere

    def _who_may_hold_generated_objects(self) -> frozenset[str]:
        """Modules of the app that import generated code, and those that import them, and so on."""
        generated = {module for name in BY_MEMBER if name in self._library for module in self._library[name].modules}
        holders: set[str] = set()
        while True:
            more = {
                module
                for module, reading in self._readings.items()
                if module not in holders and reading.all_imports & (generated | holders)
            }
            if not more:
                return frozenset(holders)
            holders |= more

    def _leads_somewhere(self, name: str) -> bool:
        """Whether the name is a module, or in one; a namespace that several distributions share is one too."""
        top = name.partition(".")[0]
        here = self._app if top in self._app else self._owner
        return top in sys.stdlib_module_names or any(
            known in here or any(module.startswith(f"{known}.") for module in here) for known in (name, name.rpartition(".")[0])
        )

    def _read_library(self, module: str, owner: Distribution) -> None:
        self._reach(owner.entry_points)
        if owner.has_extensions:
            self._take_whole(owner)
        for path in owner.modules[module]:
            if not path.endswith(EXTENSION):
                self._read_source(module, path, owner)

    def _read_source(self, module: str, path: str, owner: Distribution) -> None:
        reading = read((owner.root / path).read_bytes(), module, package=path.endswith("__init__.py"))
        if reading.computed_imports and owner.name not in self.closure.whole:
            self._reach(self._computed(module, reading))
        if owner.name in BY_MEMBER:
            self._hear(reading.imports)
            self._reach(reading.imports)
            for member in reading.members:
                self._meet(member)
            self._ask(reading.asks)
            return
        self._reach(reading.all_imports)
        self._asks[owner.name] = self._asks.get(owner.name, Asked()) | reading.all_asks
        if owner.name in self._heard:
            self._ask(reading.all_asks)

    @staticmethod
    def _computed(module: str, reading: Reading) -> tuple[str, ...]:
        if module not in COMPUTED:
            raise CannotPackage(f"{module} imports under a computed name in lines {reading.computed_imports}: not in COMPUTED")
        return COMPUTED[module]

    def _take_whole(self, owner: Distribution) -> None:
        if owner.name in self.closure.whole:
            return
        self.closure.whole.add(owner.name)
        if owner.name in BUILDERS:
            self._reach(BUILDERS[owner.name])
            return
        self._reach(owner.modules)
        for name in owner.requires:
            if name not in self._library:
                raise CannotPackage(f"{owner.name} requires {name}, which is not pinned")
            self._take_whole(self._library[name])

    def _meet(self, member: Member) -> None:
        if self._is_asked_for(member):
            self._live(member)
        else:
            self._unasked.append(member)

    def _is_asked_for(self, member: Member) -> bool:
        return member.name in (self._asked.awaited if member.asynchronous else self._asked.names)

    def _live(self, member: Member) -> None:
        self._hear(member.imports)
        self._reach(member.imports)
        self._ask(member.asks)

    def _ask(self, asked: Asked) -> None:
        if (more := self._asked | asked) != self._asked:
            self._asked = more
            unasked, self._unasked = self._unasked, []
            for member in unasked:
                self._meet(member)

    def _hear(self, imports: Iterable[str]) -> None:
        """The questions of the distributions that generated code builds on count: they call it back."""
        for name in imports:
            owner = self._owner.get(name)
            if owner and owner.name not in BY_MEMBER and owner.name not in self._heard:
                self._heard.add(owner.name)
                self._ask(self._asks.get(owner.name, Asked()))


def closure(app: Mapping[str, bytes], packages: frozenset[str], library: Mapping[str, Distribution]) -> Closure:
    """What is reached from `ROOTS`. `app` has the sources of the app's modules, `packages` names those that are packages."""
    return _Search(app, packages, library).run(ROOTS)
