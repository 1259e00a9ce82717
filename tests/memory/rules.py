"""The rules of the workflow as Snakemake reads them, and what their jobs ask for."""

import copy
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.types import OutputSettings, ResourceSettings

from tests.memory.job import Named
from tests.planned_world import CONFIG, write_files

REPO = Path(__file__).resolve().parents[2]
SIZE = 16
"""Images per class of support sets, as they are by default."""


@dataclass(frozen=True)
class Rule:
    """What a rule says of its jobs.

    Attributes:
        name: its name, and that of its script.
        inputs: names of inputs; those of a function that is unpacked are not known.
        outputs: suffixes of the outputs by name, under "" if there is none.
        params: names of parameters but `kept`.
        store: whether outputs are kept in a store, or in files of their own; None if a job runs
            whenever it is asked for.
        threads: of a job, if the rule says a number.
        memory: MB that a job asks for, as Snakemake evaluates it.
    """

    name: str
    inputs: frozenset[str]
    outputs: Mapping[str, str]
    params: frozenset[str]
    store: bool | None
    threads: int | None
    memory: Any

    def asked_mb(self, inputs: Mapping[str, Any], wildcards: Mapping[str, str]) -> int:
        """Of the first attempt."""
        about = {"input": Named(inputs), "attempt": 1}
        asked = self.memory.evaluate(SimpleNamespace(**wildcards), **about).value
        assert isinstance(asked, int), f"{self.name}: an input is not there"
        return asked


def rules_with_jobs(folder: Path) -> dict[str, Rule]:
    """All rules that make something, by name; the project is planned in a folder."""
    config = copy.deepcopy(CONFIG)
    for support in config["supports"].values():
        support.pop("size", None)
        support.pop("candidates", None)
    with chdir(folder):
        write_files()
        Path("config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        with SnakemakeApi(OutputSettings(dryrun=True)) as api:
            read = api.workflow(
                ResourceSettings(cores=1), snakefile=REPO / "Snakefile", workdir=folder
            )
            return {rule.name: _rule(rule) for rule in read._workflow.rules if rule.script}


def _rule(rule: Any) -> Rule:
    cores, kept = rule.resources["_cores"], dict(rule.params.items())["kept"]
    names = {str(path): name for name, path in rule.output.items()}
    return Rule(
        name=rule.name,
        inputs=frozenset(rule.input.keys()),
        outputs={names.get(str(p), ""): Path(str(p)).suffix for p in rule.output},
        params=frozenset(rule.params.keys()) - {"kept"},
        store="store" in kept if isinstance(kept, dict) else None,
        threads=None if cores.is_evaluable() else cores.value,
        memory=rule.resources["mem_mb"],
    )
