"""What `susx plan` prints of a forecast."""

import io
import json
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from susx.cli import app
from susx.planning.costs import StepCost
from susx.planning.downloads import Download
from susx.planning.forecast import Forecast
from susx.workflow.previews import Previewed, asked_gaps

plan: Any = import_module("susx.cli.plan")  # `susx.cli.plan` is the command
STEPS = (
    StepCost("images", 2, 1, {"images": 4000}, 5e6, 0, 40, 0, "measured here"),
    StepCost("embedding", 3, 0, {"images": 4000}, 2e7, 0, 300, 3, "assumed"),
)
DOWNLOADS = (
    Download("org/clip", ("config.yaml: encoders.clip.model",), "model", size=600_000_000),
    Download("org/gated", ("encoders.big.model",), "model", note="accept its terms", here=True),
    Download("org/gone", ("encoders.old.model",), "model", lacking=True, note="not there"),
)
WHOLE = Forecast(
    ["results/pets.json"],
    STEPS,
    DOWNLOADS,
    ["images of [pets]: set datasets.pets.images"],
    ["takes 3 days"],
)


def printed(forecast: Forecast, width: int = 80) -> str:
    stream = io.StringIO()
    plan._print(forecast, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_steps_downloads_and_what_is_missing_are_told() -> None:
    said = printed(WHOLE)
    assert max(map(len, said.splitlines())) <= 80
    images, embedding = (
        next(line.split() for line in said.splitlines() if line.startswith(step.step))
        for step in STEPS
    )
    assert images[1:3] == ["2", "1"] and images[-2:] == ["measured", "here"]
    assert embedding[1:3] == ["3", "0"] and "assumed" not in embedding  # its time is not known
    states = {
        name: next(line.split()[-1] for line in said.splitlines() if line.startswith(name))
        for name in ("org/gated", "org/gone")
    }
    assert states == {"org/gated": "here", "org/gone": "missing"}
    assert "encoders.clip.model" in said and "config.yaml: " not in said
    assert "to know:\n- org/gated: accept its terms\n" in said and "not there" not in said
    assert "missing:\n- images of [pets]: set datasets.pets.images\n" in said
    assert "warnings:\n- takes 3 days\n" in said


def test_nothing_to_do_is_one_line() -> None:
    assert len(printed(Forecast(["results/pets.json"], [])).splitlines()) == 1


def called(monkeypatch: pytest.MonkeyPatch, forecast: Forecast | None, *words: str) -> Any:
    """The command, whose call of Snakemake ends with a forecast, or without one."""

    def snakemake_call(arguments: list[str], check: Callable[[Any], None]) -> Callable[[], bool]:
        assert arguments[-3:] == ["--dry-run", "--quiet", "all"]

        def call() -> bool:
            assert asked_gaps() is not None
            if forecast is None:
                return False
            raise Previewed(forecast)

        return call

    monkeypatch.setattr(plan, "snakemake_call", snakemake_call)
    return CliRunner().invoke(app, ["plan", *words])


def test_a_plan_that_lacks_something_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    done = called(monkeypatch, WHOLE, "results/pets.json")
    assert done.exit_code == 1 and "missing:" in done.output
    assert called(monkeypatch, Forecast(WHOLE.targets, STEPS)).exit_code == 0
    assert called(monkeypatch, None).exit_code == 1
    assert asked_gaps() is None and logging.root.manager.disable == logging.NOTSET


def test_a_plan_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    done = called(monkeypatch, WHOLE, "--json")
    assert json.loads(done.output) == json.loads(json.dumps(WHOLE.plain()))


@pytest.mark.parametrize("option", plan.ACTIONS)
def test_what_runs_no_jobs_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="does something else than run jobs; leave it out"):
        plan._require_run(type("Options", (), {option: True}))
