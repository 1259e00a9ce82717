"""What `graph` and `waits` touch of Snakemake's inside is there in the pinned version."""

import ast
import base64
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import snakemake
import snakemake.api  # its modules import each other, and this one is the way in
from snakemake.dag import DAG
from snakemake.io import _IOFile
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.workflow import Workflow

from susx.workflow import graph, waits
from susx.workflow.graph import LOCKED
from susx.workflow.scheduler import look_once_per_span
from tests import warm
from tests.waiting import until

ROOT = Path(__file__).parents[3]
OBJECTS = ("workflow", "dag", "job")
"""Names of Snakemake's objects in the module."""

SNAKEFILE = """
import json, operator, sys
from types import SimpleNamespace

sys.path.insert(0, config["root"])
from susx.core.errors import InputError
from susx.planning.run import Decision
from susx.workflow.graph import decide_before_jobs


def is_lacking(name):
    job = next(job for job in workflow.dag.jobs if job.rule.name == "copy")
    try:
        operator.attrgetter(name)(SimpleNamespace(workflow=workflow, dag=workflow.dag, job=job))
    except AttributeError:
        return True


def decide(run):
    facts = dict(vars(run), lacking=[*filter(is_lacking, config["names"])])
    facts["jobs"] = [[job.rule, dict(job.names), job.outputs] for job in run.jobs]
    with open("facts.json", "w") as file:
        json.dump(facts, file, default=sorted)
    return Decision(dict.fromkeys(config["stale"], "changed"), told=["told before all jobs"])


def require(rules, wishes):
    with open("asked.json", "w") as file:
        forms = {rule: [vars(form) for form in forms] for rule, forms in rules.forms.items()}
        json.dump([forms, sorted([wish.option, wish.name] for wish in wishes)], file)
    raise InputError("these are unknown")


rule all:
    input: "end.txt", "other.txt"

rule copy:
    input: "made.txt"
    output: "{name}.txt"
    params: kept=None
    wildcard_constraints: name="end|other"
    shell: "cat {input} > {output}"

rule make:
    output: "made.txt"
    params: kept=None
    shell: "echo made > {output}"

rule wait:
    output: "wait.txt"
    shell: "touch waiting; test -e enough || sleep 300; touch {output}"

decide_before_jobs(workflow, decide, require)
"""


def parsed(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def touched() -> list[str]:
    """Attributes of Snakemake's objects that the modules read or write, as dotted names."""
    found = set()
    nodes = (node for module in (graph, waits) for node in ast.walk(parsed(module)))
    for node in nodes:
        names, value = [], node
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if names and isinstance(value, ast.Name) and value.id in OBJECTS:
            found.add(".".join([value.id, *reversed(names)]))
    return sorted(found)


def attempt(folder: Path, stale: list[str], *options: str) -> tuple[int, str]:
    """Call the small workflow; return the exit status and what Snakemake says."""
    config = {"stale": stale, "names": touched(), "root": str(ROOT)}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "Snakefile").write_text(SNAKEFILE, "utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    done = subprocess.run(
        [*command, *options, "--configfile", "config.json"],
        cwd=folder,
        env=warm.environment(warm.clean_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def call(folder: Path, stale: list[str], *options: str) -> tuple[str, dict[str, Any]]:
    """Run the small workflow; return what Snakemake says, and what it was asked."""
    status, said = attempt(folder, stale, *options)
    assert status == 0, said
    return said, json.loads((folder / "facts.json").read_text("utf-8"))


def rules_of(said: str) -> list[str]:
    """Rules whose jobs ran, in order."""
    return [rule for rule in re.findall(r"^(?:local)?rule (\w+):$", said, re.M) if rule != "all"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder in which all was made."""
    call(tmp_path, ["made.txt", "end.txt", "other.txt"])
    return tmp_path


def test_what_is_touched_is_there(tmp_path: Path) -> None:
    facts = call(tmp_path, [], "--dry-run")[1]
    assert len(touched()) > 10
    assert facts["lacking"] == [], (
        f"Snakemake {snakemake.__version__} lacks what susx/workflow/graph.py touches; look there "
        "before another version is pinned"
    )


def test_a_run_is_told_in_plain_values(tmp_path: Path) -> None:
    facts = call(tmp_path, [], "--dry-run")[1]
    copies = [["copy", {"name": name}, [f"{name}.txt"]] for name in ("end", "other")]
    first, *others = facts["jobs"]
    assert first == ["make", {}, ["made.txt"]]
    assert sorted(others, key=str) == copies
    assert facts["wanted"] == ["end.txt", "other.txt"]
    assert facts["read"] == ["end.txt", "made.txt", "other.txt"]
    flags = ("is_dry", "is_locked", "is_partial", "touches", "reports", "deploys", "is_quiet")
    assert [name for name in flags if facts[name]] == ["is_dry"]


def test_nothing_runs_but_what_is_stale(made: Path) -> None:
    (made / "made.txt").write_text("newer\n")
    assert "Nothing to be done" in call(made, [])[0]
    (made / "made.txt").unlink()
    assert "Nothing to be done" in call(made, [])[0]
    (made / "end.txt").write_text("kept\n")
    said = call(made, ["made.txt", "other.txt"])[0]
    assert "told before all jobs" in said
    assert rules_of(said) == ["make", "copy"]
    assert (made / "end.txt").read_text() == "kept\n"
    assert rules_of(call(made, ["end.txt"])[0]) == ["copy"]
    assert (made / "end.txt").read_text() == "made\n"


def test_names_that_no_rule_has_or_makes_end_the_call_before_anything_is_said(
    tmp_path: Path,
) -> None:
    options = ["--until", "mak", "end.txt", "copy", "--omit-from", "nowhere.txt", "other.txt"]
    options += ["--forcerun", "nobody", "--prioritize", "./past.txt", "--allowed-rules", "copi"]
    status, said = attempt(tmp_path, [], "end.txt", "copy", "./nowhere.txt", "", *options)
    assert (status, said.splitlines()[1:]) == (1, ["these are unknown"])
    forms, wishes = json.loads((tmp_path / "asked.json").read_text("utf-8"))
    assert wishes == [
        ["", ""],
        ["", "copy"],
        ["", "nowhere.txt"],
        ["--allowed-rules", "copi"],
        ["--forcerun", "nobody"],
        ["--omit-from", "nowhere.txt"],
        ["--prioritize", "past.txt"],
        ["--until", "mak"],
    ]
    copied = {"pattern": "{name}.txt", "allowed": {"name": "end|other"}, "is_shown": False}
    made = {"pattern": "made.txt", "allowed": {}, "is_shown": False}
    waited = {"pattern": "wait.txt", "allowed": {}, "is_shown": False}
    assert forms == {"all": [], "copy": [copied], "make": [made], "wait": [waited]}
    assert attempt(tmp_path, [], "nowhere.txt", "--summary")[1].endswith("these are unknown\n")


def test_what_cannot_run_is_one_line(tmp_path: Path) -> None:
    said = attempt(tmp_path, [], "end.txt", "--allowed-rules", "copy")[1]
    assert said.splitlines()[-1] == (
        "Missing input files for rule copy: output: end.txt wildcards: name=end affected files: "
        "made.txt"
    )
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("end.txt\n", "utf-8")
    status, said = attempt(tmp_path, ["end.txt", "made.txt"], "end.txt")
    assert (status, said.splitlines()[-1]) == (1, LOCKED.format(tmp_path))
    assert "Traceback" not in said


def test_a_job_that_was_cut_short_is_made_again_without_being_told_to(made: Path) -> None:
    folder = made / ".snakemake/incomplete"
    folder.mkdir(exist_ok=True)
    (folder / base64.urlsafe_b64encode(b"end.txt").decode()).touch()
    assert rules_of(call(made, [], "end.txt")[0]) == ["copy"]


def test_the_decision_falls_where_snakemake_has_all_jobs_and_no_reasons_yet() -> None:
    assert "self.dag.init()" in inspect.getsource(Workflow._build_dag)
    assert "await self.update_needrun(create_inventory=True)" in inspect.getsource(DAG.init)
    assert inspect.iscoroutinefunction(DAG.update_needrun)
    needed = inspect.getsource(DAG.update_needrun)
    assert "self.forcefiles.isdisjoint(job.output)" in needed
    assert "f.is_ancient and await f.exists()" in needed
    assert 'is_flagged(self._file, "ancient")' in inspect.getsource(_IOFile.is_ancient.fget)


def test_failed_jobs_are_told_where_snakemake_handles_them() -> None:
    handled = inspect.getsource(JobScheduler._handle_error)
    assert "self.failed.add(job)" in handled
    assert "self._n_until_ready[job] == 0" in inspect.getsource(DAG._ready)


def test_a_run_looks_for_jobs_once_per_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, Snakemake looks again for every look, and all of these look once more."""
    looks = inspect.getsource(JobScheduler.schedule)
    assert "self._schedule_reevalutation(self.job_rate_limiter.timespan)" in looks
    # A run within this process may have put ours in its place.
    own = inspect.getsource(inspect.getmodule(JobScheduler) or JobScheduler)
    assert "self._open_jobs.release()" in own.partition("def _schedule_reevalutation")[2]
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", None)
    look_once_per_span()
    run = SimpleNamespace(_open_jobs=threading.Semaphore(0))
    for _ in range(5):
        JobScheduler._schedule_reevalutation(run, 0.01)
    assert run._open_jobs.acquire(timeout=60)
    assert not run._open_jobs.acquire(timeout=0.1)
    JobScheduler._schedule_reevalutation(run, 0.01)
    assert run._open_jobs.acquire(timeout=60)


def test_a_closed_terminal_ends_a_run_and_leaves_no_lock(tmp_path: Path) -> None:
    assert attempt(tmp_path, [])[0] == 0
    run = waiting_run(tmp_path, "--default-signal=HUP")
    os.killpg(run.pid, signal.SIGHUP)
    assert run.wait(timeout=60) == 1
    (tmp_path / "enough").touch()
    status, said = attempt(tmp_path, [], "wait.txt")
    assert status == 0, said


def test_a_run_that_ignores_a_closed_terminal_goes_on(tmp_path: Path) -> None:
    assert attempt(tmp_path, [])[0] == 0
    run = waiting_run(tmp_path, "--ignore-signal=HUP")
    os.killpg(run.pid, signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(timeout=2)  # others end in less than one
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def waiting_run(folder: Path, hang_up: str) -> subprocess.Popen[bytes]:
    """The small workflow at work, in a session of its own, with an option of `env`."""
    command = ["env", hang_up, sys.executable, "-m", "snakemake", "--cores", "1", "wait.txt"]
    run = subprocess.Popen(
        [*command, "--configfile", "config.json"],
        cwd=folder,
        env=warm.clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until((folder / "waiting").exists)
    return run


def test_private_parts_are_touched_in_three_modules() -> None:
    private = ("_build_dag", "update_needrun", "forcefiles", "depending", "iocache", "JobScheduler")
    files = [ROOT / "Snakefile", *ROOT.glob("rules/*.smk"), *ROOT.rglob("susx/**/*.py")]
    places = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if any(name in path.read_text("utf-8") for name in private)
    }
    assert places == {f"susx/workflow/{name}.py" for name in ("graph", "scheduler", "waits")}
