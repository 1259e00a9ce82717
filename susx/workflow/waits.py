"""Jobs that wait for others whose files they do not read, because one job reads for several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class Waits:
    """What jobs of a graph wait for beside their inputs.

    The first job of a group waits for all that the others read, and these wait for it. Where one of
    these fails, and the run goes on, nothing waits for what will not be made.
    """

    def __init__(self, dag: Any) -> None:
        """Begin without any.

        Args:
            dag: Snakemake's graph of jobs.
        """
        self._dag = dag
        self._added: set[tuple[Any, Any]] = set()

    def add(self, groups: Iterable[Sequence[str]]) -> None:
        """Let the jobs of groups wait for each other.

        Args:
            groups: of jobs by an output of theirs; those that are not in the graph do not count.
        """
        dag = self._dag
        makers = {str(path): job for job in dag.jobs for path in job.output}
        for names in groups:
            first, *others = (makers.get(name) for name in names)
            for job in filter(None, others if first else ()):
                for maker in list(dag.dependencies[job]):
                    self._wait(first, maker)
                self._wait(job, first)

    def _wait(self, job: Any, maker: Any) -> None:
        dag = self._dag
        if maker not in dag.dependencies[job]:
            dag.dependencies[job][maker] = dag.depending[maker][job] = set(maker.output)
            self._added.add((job, maker))

    def end(self, failed: Iterable[Any]) -> None:
        """Let nothing wait for some jobs, or for what follows from them.

        Args:
            failed: jobs that will not be made.
        """
        dag, lost = self._dag, self._lost(failed)
        ended = {
            (job, maker)
            for job, maker in self._added
            if maker in lost and job not in lost and maker in dag.dependencies.get(job, ())
        }
        for job, maker in ended:
            del dag.dependencies[job][maker], dag.depending[maker][job]
            dag._n_until_ready[job] -= 1
        self._added -= ended
        dag.update_ready({job for job, _ in ended})

    def _lost(self, failed: Iterable[Any]) -> set[Any]:
        """Jobs, and all that read what they make."""
        queue = list(failed)
        lost = set(queue)
        while queue:
            job = queue.pop()
            later = {j for j in self._dag.depending[job] if (j, job) not in self._added} - lost
            lost |= later
            queue += later
        return lost
