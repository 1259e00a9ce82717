"""`snakemake --report`: what it holds, that it needs no network, and that it tells no secret."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.e2e.offline import Offline
from tests.workflow.project import RESULT, Project
from tests.workflow.test_workflow_descriptions import ask_server, replies

SECRETS = {
    "OPENAI_API_KEY": "a-key-of-a-language-model-0123",
    "HF_TOKEN": "a-token-of-the-hub-0123456789",
    "AWS_SECRET_ACCESS_KEY": "a-key-of-a-bucket-0123456789",
}

pytestmark = pytest.mark.pipeline


def contents(path: Path) -> bytes:
    """Contents of a file; of an archive those of its members."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(map(archive.read, archive.namelist()))


def test_a_report_is_made_without_network(project: Project, tmp_path: Path) -> None:
    watched = Offline(tmp_path / "offline")

    project.run(RESULT, "--report", "report.zip", env=watched.env)

    assert any("snakemake" in line for line in watched.processes)
    assert watched.attempts == []
    with zipfile.ZipFile(project.path("report.zip")) as archive:
        (page,) = (name for name in archive.namelist() if name.endswith("report.html"))
        html = archive.read(page).decode()
        (result,) = (name for name in archive.namelist() if name.endswith("tiny.json"))
        assert json.loads(archive.read(result)) == project.read_json(RESULT)
    assert "made from class names alone" in html
    assert "Accuracy of every method on the test images of tiny" in html
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?://", html)


def test_predictions_and_checks_have_captions(project: Project) -> None:
    targets = ("results/tiny/predictions.parquet", "check/tiny.json")
    project.run(*targets)
    project.run(*targets, "--report", "report.html")

    html = project.path("report.html").read_text("utf-8")
    assert "Five classes with probabilities for every image of tiny" in html
    assert "What is missing, broken or unusual in the images of tiny" in html


def test_no_secret_of_the_environment_is_written(
    fresh_project: Project, httpserver: HTTPServer
) -> None:
    key = SECRETS["OPENAI_API_KEY"]

    def echoes(request: Request) -> Response:
        """A server that repeats what it was sent in its error."""
        return Response(f"no good: {request.headers['Authorization']}", status=401)

    httpserver.expect_ordered_request("/v1/chat/completions").respond_with_handler(echoes)
    for _ in range(100):
        httpserver.expect_ordered_request(
            "/v1/chat/completions", headers={"Authorization": f"Bearer {key}"}
        ).respond_with_handler(replies())
    server = {"api_key_variable": "OPENAI_API_KEY", "concurrency": 1}
    ask_server(fresh_project, httpserver.url_for("/v1"), chunk=4, **server)

    def only_texts(config: dict[str, Any]) -> None:
        config["evaluation"] |= {"methods": ["zero-shot", "cupl"], "supports": []}

    fresh_project.change_config(only_texts)
    env = {"HF_HUB_OFFLINE": "1", **SECRETS}

    refused = fresh_project.attempt(RESULT, env=env)
    outcomes = [
        fresh_project.run(RESULT, env=env),
        fresh_project.run(RESULT, "--report", "report.zip", env=env),
        fresh_project.run(RESULT, "--report", "report.html", env=env),
    ]

    assert refused.returncode != 0
    assert "no good: " in refused.output
    said = "".join(outcome.output for outcome in [refused, *outcomes])
    files = [path for path in fresh_project.root.rglob("*") if path.is_file()]
    assert {"report.zip", "report.html", "tiny.json"} <= {path.name for path in files}
    for name, secret in SECRETS.items():
        assert secret not in said, name
        for path in files:
            assert secret.encode() not in contents(path), (name, path)


def test_a_report_of_a_stale_result_is_refused(project: Project) -> None:
    descriptions = project.read_descriptions()
    name = next(iter(descriptions))
    project.write_descriptions(descriptions | {name: ["a photo of something else"]})

    outcome = project.attempt(RESULT, "--report", "report.html")

    assert outcome.returncode != 0
    assert "has to be made again" in outcome.output
    assert "run without --report first" in outcome.output
    assert not project.path("report.html").exists()


def test_a_report_tells_what_the_jobs_of_its_result_took(project: Project) -> None:
    """Not what lies in folders of benchmarks, which jobs of other results write, too."""
    foreign = project.path("benchmarks/embed_text/other/tiny/ensemble.tsv")
    foreign.parent.mkdir(parents=True)
    foreign.write_text("s\tmax_rss\tcpu_time\n86400\t1\t1\n")
    page = "results/tiny/report.html"

    project.run(page)

    html = project.path(page).read_text("utf-8")
    table = html[html.index("Jobs that this result stands on") :]
    rows = re.findall(r'<tr><th scope="row">(\w+)</th><td class="n">(\d+)</td>', table)
    identity = project.read_json(RESULT)["provenance"]["identity"]
    tree = [
        one["recipe"]["stage"] for key, one in identity["tree"].items() if key != identity["key"]
    ]
    counted = {stage: str(tree.count(stage)) for stage in tree}
    assert {stage: n for stage, n in rows if stage in counted} == counted
    assert "24 h" not in table and "1 d" not in table
