"""Clocks that differ: a shim for one process's wall clock, compiled at start, so that the app needs no switch for it."""

import subprocess
from pathlib import Path

from sandbox.processes import ChildFailed

SOURCE = Path(__file__).with_name("skew.c")


def shim(folder: Path) -> Path:
    """The compiled shim in `folder`; `ChildFailed` where it cannot be made."""
    made = folder / "skew.so"
    try:
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", made, SOURCE], check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise ChildFailed("the clocks of two workers cannot be set apart: there is no C compiler (`cc`)") from None
    except subprocess.CalledProcessError as error:
        raise ChildFailed(f"the clocks of two workers cannot be set apart: {error.stderr}") from error
    return made


def environment(made: Path, seconds: float) -> dict[str, str]:
    """What a process is given so that its wall clock is `seconds` ahead of the machine's."""
    return {"LD_PRELOAD": str(made), "SKEW_SECONDS": f"{seconds:.3f}"}
