"""What one process imports for all jobs of a run."""

import subprocess
import sys
from typing import Any

import pytest

from susx.artifacts.ground import Job
from susx.planning.imports import LIBRARIES, RULES, shared_imports
from susx.planning.run import PlannedJob
from tests.workflow.test_workflow_layout import RULES as DECLARED
from tests.workflow.test_workflow_layout import WITHOUT_TORCH

CLIP = "transformers.models.clip.modeling_clip"
MODULES = sorted({*sum(RULES.values(), ()), *sum(LIBRARIES.values(), ())} - {"open_clip"})


def job(rule: str, output: str = "output", **params: Any) -> PlannedJob:
    return PlannedJob(Job(rule, {}, {"output": output}, params))


def embed(library: str, output: str) -> PlannedJob:
    return job("embed_text", output, encoder={"library": library, "model": "here"})


def test_what_several_jobs_import_is_shared() -> None:
    jobs = [embed("transformers", "a"), embed("transformers", "b"), job("evaluate", encoder="clip")]
    shared = shared_imports([*jobs, job("prompts"), job("report")])
    assert shared == {"embed_text": ["torch", CLIP], "evaluate": ["torch"]}


def test_what_one_job_imports_is_left_to_it() -> None:
    assert shared_imports([embed("transformers", "a"), job("class_manifest")]) == {}
    jobs = [embed("transformers", "a"), embed("open-clip", "b"), job("synthesise")]
    assert shared_imports(jobs) == {"embed_text": ["torch", CLIP], "synthesise": ["torch", CLIP]}


def test_a_library_of_others_is_not_known() -> None:
    jobs = [embed("their-own", "a"), embed("their-own", "b")]
    assert shared_imports(jobs) == {"embed_text": ["torch"]}


def test_jobs_that_write_texts_import_what_runs_their_model() -> None:
    local = [job("describe_classes", n, model={"backend": "transformers"}) for n in "ab"]
    served = [job("describe_classes", n, model={"backend": "openai"}) for n in "ab"]
    assert shared_imports(local) == {"describe_classes": ["torch", CLIP]}
    assert shared_imports(served) == {}


def test_rules_that_are_named_are_there_and_import_torch() -> None:
    assert RULES.keys() <= DECLARED.keys()
    assert RULES.keys().isdisjoint(WITHOUT_TORCH)


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_imported_without_a_word(module: str) -> None:
    """They are imported before any job, whose log would have it."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
