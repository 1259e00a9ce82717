"""Shape of the workflow: what every rule and script promises."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.project import REPO, RESULT, Project, clean_environment

HEAVY = {"torch", "transformers", "diffusers", "pyarrow", "h5py", "webdataset", "tokenizers"}
MAX_SNAKEFILE, MAX_SCRIPT = 60, 40
WITHOUT_TORCH = (
    *("check_dataset", "class_manifest", "collate", "describe_classes", "download_dataset"),
    *("draw_support", "image_manifest", "import_classes", "import_images", "import_support"),
    *("import_text", "join_chunks", "join_descriptions", "list_unlabelled", "match_captions"),
    *("prompts", "query_service", "report", "select_support", "summary"),
)
"""Jobs that neither embed nor search nor evaluate: PyTorch would be most of what they cost."""

RULES = {
    match[1]: match[2]
    for path in sorted((REPO / "rules").glob("*.smk"))
    for match in re.finditer(
        r"^rule (\w+):\n((?:(?: .*)?\n)+)", path.read_text("utf-8"), re.MULTILINE
    )
}
SCRIPTS = sorted(path for path in (REPO / "workflow_scripts").glob("*.py"))
ADAPTERS = [path for path in SCRIPTS if path.stem != "susx_job"]

pytestmark = pytest.mark.pipeline


def test_snakefile_is_a_table_of_contents() -> None:
    lines = (REPO / "Snakefile").read_text("utf-8").splitlines()

    assert len(lines) <= MAX_SNAKEFILE
    included = {line.split('"')[1] for line in lines if line.startswith("include:")}
    assert included == {f"rules/{path.name}" for path in (REPO / "rules").glob("*.smk")}


@pytest.mark.parametrize("rule", RULES)
def test_rule_declares_what_a_scheduler_needs(rule: str) -> None:
    body = RULES[rule]

    for directive in ("output", "log", "benchmark", "conda", "resources", "script"):
        assert re.search(rf"^    {directive}:", body, re.MULTILINE), directive
    assert re.search(r"^        runtime=minutes\(\d+\),$", body, re.MULTILINE)
    assert re.search(
        r"^        mem_mb=(memory\(.+\)|asked\(\s*\w+\.\w+_memory[^)]*\)),$", body, re.MULTILINE
    )
    assert f'"../workflow_scripts/{rule}.py"' in body
    assert f'"logs/{rule}/' in body
    assert f'"benchmarks/{rule}/' in body


@pytest.mark.parametrize("rule", RULES)
def test_rule_leaves_out_what_is_the_default(rule: str) -> None:
    """One thread, and no GPU."""
    assert not re.search(r"^ +(threads: 1|gpu=0,)$", RULES[rule], re.MULTILINE)


def test_only_short_rules_share_a_job_or_stay_where_snakemake_runs() -> None:
    local = {name for name, body in RULES.items() if "\n    localrule: True\n" in f"\n{body}"}
    grouped = {
        name: match[1]
        for name, body in RULES.items()
        if (match := re.search(r'^    group:\n        "(\w+)"', body, re.MULTILINE))
    }

    assert local == {"class_manifest", "join_descriptions", "prompts", "collate"}
    imports = ("import_classes", "import_images", "import_text", "import_support")
    assert grouped == {
        "embed_text": "text",
        "search_shard": "search",
        **dict.fromkeys(("search_embeddings", "search_index", "match_captions"), "web_search"),
        **dict.fromkeys(imports, "import"),
    }


def resources(project: Project, *arguments: str) -> dict[str, dict[str, int]]:
    """Resources of the jobs of a plan, by name and rule, if their input is there."""
    plan = project.plan(RESULT, "--forceall", *arguments).output
    jobs = re.findall(r"^ *rule (\w+):\n(?: +.+\n)*? +resources: (.+)$", plan, re.MULTILINE)
    return {
        name: {
            rule: int(found[1])
            for rule, line in jobs
            if (found := re.search(rf"\b{name}=(\d+)", line))
        }
        for name in ("mem_mb", "runtime", "gpu")
    }


def test_what_jobs_ask_of_a_scheduler(fresh_project: Project) -> None:
    """Memory and time grow with input and attempt; GPUs follow the device or the profile."""
    gpu = ("--set-resources", "embed_images:gpu=1")
    first, second = resources(fresh_project), resources(fresh_project, "--attempt", "2", *gpu)
    with fresh_project.path("model/model.safetensors").open("ab") as file:
        file.truncate(100_000_000)
    fresh_project.change_config(lambda config: config["encoders"]["clip"].update(device="cuda"))
    third = resources(fresh_project)

    for name in ("mem_mb", "runtime"):
        assert second[name] == {rule: 2 * value for rule, value in first[name].items()}
    memory, larger = first["mem_mb"], third["mem_mb"]
    assert "embed_text" not in memory  # its texts are not there yet
    assert {rule for rule in memory if larger[rule] > memory[rule]} == {"embed_shard"}
    assert larger["embed_shard"] == 6000 + 300
    assert [
        {rule for rule, number in plan["gpu"].items() if number} for plan in (first, second, third)
    ] == [
        set(),
        {"embed_images"},
        {"embed_text", "embed_images", "embed_shard", "embed_support", "evaluate"},
    ]


def test_every_script_has_a_rule() -> None:
    assert {path.stem for path in ADAPTERS} == set(RULES)


@pytest.mark.parametrize("script", ADAPTERS, ids=lambda path: path.stem)
def test_scripts_are_adapters(script: Path) -> None:
    text = script.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_SCRIPT
    assert "\ndef main(job: Job) -> None:\n" in text
    assert text.endswith('\n\nif __name__ == "__main__":\n    run_job(main, globals())\n')


def packages(node: ast.AST) -> set[str]:
    """Top-level names of what a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {a.name.split(".")[0] for a in node.names} if isinstance(node, ast.Import) else set()


@pytest.mark.parametrize("script", ADAPTERS, ids=lambda path: path.stem)
def test_a_script_imports_the_library_within_main(script: Path) -> None:
    tree = ast.parse(script.read_text("utf-8"))
    light = sys.stdlib_module_names | {"susx_job"}
    at_top = set().union(*map(packages, tree.body))

    assert at_top <= light
    assert not (set().union(*map(packages, ast.walk(tree))) - at_top) & light


def test_a_job_that_is_found_imports_nothing_heavy() -> None:
    assert not imported_by("import susx_job") & (HEAVY | {"numpy", "PIL"})


def test_jobs_that_do_not_need_pytorch_do_not_import_it() -> None:
    lines = ["import susx_job"]
    for name in WITHOUT_TORCH:
        tree = ast.parse((REPO / f"workflow_scripts/{name}.py").read_text("utf-8"))
        lines += [ast.unparse(node) for node in ast.walk(tree) if packages(node)]

    assert not imported_by("\n".join(lines)) & {"torch", "transformers", "diffusers"}


def imported_by(program: str) -> set[str]:
    """Top-level modules that a program has imported when it ends."""
    program += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPO,
        env={**clean_environment(), "PYTHONPATH": str(REPO / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_a_script_run_by_hand_says_who_runs_it() -> None:
    script = REPO / "workflow_scripts/class_manifest.py"
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.startswith("Write the class manifest of a dataset")
    assert "Snakemake runs this script" in done.stderr


def test_importing_scripts_has_no_side_effects(tmp_path: Path) -> None:
    program = """
import importlib, json, logging, os, sys
sys.path.insert(0, sys.argv[1])
before = dict(os.environ), sys.stderr, list(logging.root.handlers), logging.root.level
mains = {name: callable(getattr(importlib.import_module(name), "main")) for name in sys.argv[2:]}
after = dict(os.environ), sys.stderr, list(logging.root.handlers), logging.root.level
print(json.dumps({"mains": mains, "same": before == after}))
"""
    names = [path.stem for path in ADAPTERS]
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(REPO / "workflow_scripts"), *names],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    report = json.loads(done.stdout)
    assert report["mains"] == dict.fromkeys(names, True)
    assert report["same"]
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def imported_modules(times: str) -> set[str]:
    """Top-level modules of an import-time report, without what Snakemake's plugins import.

    The report lists a module after what it imports, which is indented further.
    """
    modules, plugin = set(), None
    for line in reversed([line for line in times.splitlines() if line.startswith("import time:")]):
        name = line.rsplit("|", 1)[1]
        depth = len(name) - len(name.lstrip())
        if plugin is None or depth <= plugin:
            plugin = depth if name.strip().startswith("snakemake_executor_plugin_") else None
            modules.add(name.strip().split(".")[0])
    return modules


def test_dry_run_plans_every_rule_without_heavy_imports(fresh_project: Project) -> None:
    command = fresh_project.command("--dry-run")
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        cwd=fresh_project.root,
        env=fresh_project.cold_environment({}),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    imported = imported_modules(done.stderr)
    assert "susx" in imported
    assert not imported & HEAVY
    assert not fresh_project.files("work", "cache", "results", "logs")


def test_a_bare_dry_run_plans_every_output_once(fresh_project: Project) -> None:
    plan = fresh_project.plan()

    assert "profiles/default" in plan.output
    web = ("search_embeddings", "search_index", "match_captions", "query_service", "download_")
    others = (
        *("check_", "demo_", "import_", "draw_", "describe_", "join_"),
        *("synthesise", "embed_patches", *web),
        *("list_unlabelled", "export_classifier", "predict", "analyse", "report", "summary"),
    )
    assert plan.rules == {name for name in RULES if not name.startswith(others)}
    assert sorted(path for job in plan.jobs for path in job.outputs) == sorted(plan.made)
    assert plan.made == {
        "work/tiny/classes.json",
        *(f"work/tiny/images/{split}.parquet" for split in ("test", "validation")),
        *(f"work/tiny/prompts/{name}.json" for name in ("photo", "ensemble", "cupl", "cupl+e")),
        *(f"cache/clip/tiny/text-{name}.h5" for name in ("photo", "ensemble", "cupl", "cupl+e")),
        *(f"cache/clip/tiny/images-{split}.h5" for split in ("test", "validation")),
        *(f"cache/clip/pools/web/{shard}.h5" for shard in ("000", "001")),
        *(f"work/tiny/support/lc/candidates/{shard}.parquet" for shard in ("000", "001")),
        *(f"work/tiny/support/lc/{name}" for name in ("manifest.parquet", "images.tar")),
        "cache/clip/tiny/support-lc.h5",
        "work/tiny/evaluation/clip.json",
        RESULT,
    }


def test_lint_finds_nothing(fresh_project: Project) -> None:
    done = fresh_project.run("--lint")

    assert "your workflow is in a good condition" in done.output


def test_workflow_is_formatted() -> None:
    subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"],
        cwd=REPO,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("imported_before", ["sys", "numpy, torch"])
def test_a_job_keeps_within_its_threads(imported_before: str, tmp_path: Path) -> None:
    program = (
        f"import {imported_before}"
        + """
import sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from susx_job import run_job

def main(job):
    import numpy, torch
    from threadpoolctl import threadpool_info
    pools = [pool["num_threads"] for pool in threadpool_info()]
    print(max([torch.get_num_threads(), *pools]))

nothing = {"input": {}, "output": {}, "params": {"kept": None}}
job = SimpleNamespace(rule="a", threads=1, log=["job.log"], **nothing)
run_job(main, {"snakemake": job})
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(REPO / "workflow_scripts")],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["1"]
