"""Synthesised support sets through Snakemake: chunks, provenance, resuming."""

import re
from pathlib import Path
from typing import Any

import pytest

from susx.manifests.tables import SupportRecord, read_table
from tests.diffusion import save_tiny_pipeline
from tests.workflow.project import RESULT, Project, without_times

PARTS = "work/store/tmp/parts/synthesise-*/*"
SUPPORT = "work/tiny/support/sd"
TARGET = f"{SUPPORT}/manifest.parquet"
CHUNKS = {f"{SUPPORT}/chunks/{i:05d}.{kind}" for i in (0, 1) for kind in ("parquet", "tar")}

pytestmark = pytest.mark.pipeline


def add_support(project: Project, **changes: Any) -> None:
    """Four classes in two chunks."""
    if not project.path("sd").exists():
        save_tiny_pipeline(project.path("sd"))
    plain = {"source": "synthesis", "model": "sd", "steps": 2, "guidance": 3.0, "query": "cupl"}
    support = {**plain, "size": 3, "chunk": 2, "threads": 1, **changes}
    project.change_config(lambda config: config["supports"].update(sd=support))


def test_a_synthesised_support_set_is_like_any_other(project: Project) -> None:
    before = project.read_json(RESULT)
    add_support(project)
    done = project.run(RESULT)

    assert done.rules == {"synthesise", "join_chunks", "embed_support", "evaluate", "collate"}
    assert [job.rule for job in done.jobs].count("synthesise") == 2
    assert done.made >= CHUNKS
    assert project.plan(RESULT).jobs == []
    result = project.read_json(RESULT)
    counts = result["supports"]["sd"]
    assert (counts["fates"], counts["short_classes"]) == ({"kept": 12}, {})
    told = counts["generator"]
    assert (told["model"], told["steps"], told["guidance"], told["query"]) == ("sd", 2, 3.0, "cupl")
    assert len(told["weights_sha256"]) == 64
    records = read_table(project.path(TARGET), SupportRecord).records
    assert [r.class_name for r in records[::3]] == ["zebra", "a/b", "café", "apple"]
    assert {r.caption for r in records[:3]} == {"it looks like a zebra.", "zebra, seen close."}
    assert list(project.root.glob(f"{PARTS}/*")) == []

    def others(runs: list[dict[str, Any]]) -> Any:
        return without_times([run for run in runs if run["support"] != "sd"])

    assert others(result["runs"]) == others(before["runs"])
    assert {r["method"] for r in result["runs"] if r["support"] == "sd"} >= {"tip-x", "fusion"}


def test_a_killed_chunk_goes_on_where_it_stopped(fresh_project: Project, tmp_path: Path) -> None:
    """The unharmed run has twice the chunks, which leaves no trace either."""
    add_support(fresh_project, steps=40)
    killed = fresh_project.copy(tmp_path / "killed")
    add_support(killed, steps=40, chunk=4)
    killed.kill_midway(f"{PARTS}/[!.]*.json", TARGET)
    assert not killed.path(TARGET).exists()
    finished = len(list(killed.root.glob(f"{PARTS}/[!.]*.json")))
    killed.run("--unlock")
    killed.run(TARGET)
    fresh_project.run(TARGET)

    log = killed.path("logs/synthesise/tiny/sd/00000.log").read_text("utf-8")
    drawn_before = re.search(r"(\d+)/12 ", log)
    assert drawn_before
    assert int(drawn_before[1]) == 3 * finished > 0
    for name in ("manifest.parquet", "images.tar"):
        first, second = (p.path(f"{SUPPORT}/{name}").read_bytes() for p in (fresh_project, killed))
        assert first == second, name


def test_other_numbers_and_chunks_draw_only_what_is_new(fresh_project: Project) -> None:
    def drawn_now() -> int:
        logs = fresh_project.path("logs/synthesise/tiny/sd").glob("*.log")
        texts = [log.read_text("utf-8") for log in logs]
        return sum(int(n) for text in texts for n in re.findall(r"(\d+) images generated", text))

    add_support(fresh_project)
    fresh_project.run(TARGET)
    first = fresh_project.path(f"{SUPPORT}/images.tar").read_bytes()
    assert drawn_now() == 12
    add_support(fresh_project, chunk=3)
    fresh_project.run(TARGET)
    assert fresh_project.path(f"{SUPPORT}/images.tar").read_bytes() == first
    assert drawn_now() == 0
    add_support(fresh_project, size=5, chunk=4)
    fresh_project.path("logs/synthesise/tiny/sd/00001.log").unlink()
    fresh_project.run(TARGET)
    assert drawn_now() == 2 * 4
    assert fresh_project.plan(TARGET).jobs == []
