"""Run the script of one rule in this process: `python job.py JOB.json`.

The file names the script and what Snakemake would give it. The last line that is printed is the
peak of the memory of this process alone, in KiB. `ru_maxrss` would not do: a process inherits it
from the one that starts it.
"""

import json
import re
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Named(list[Any]):
    """Values in order, some of them by name, as Snakemake gives inputs, outputs and parameters."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        """Those under the name "" have none."""
        self._named = {name: value for name, value in named.items() if name}
        super().__init__(path for value in named.values() for path in each(value))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_named"][name]
        except KeyError:
            raise AttributeError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self._named.get(name, default)

    def items(self) -> Any:
        return self._named.items()


def each(value: Any) -> Iterator[Any]:
    """One value, or those of a list."""
    yield from (value if isinstance(value, list) else [value])


def peak_kib() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return int(found[1])


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    lists = {name: Named(job[name]) for name in ("input", "output", "params")}
    given = SimpleNamespace(**lists, **{name: job[name] for name in ("rule", "threads", "log")})
    sys.path.insert(0, str(Path(job["script"]).parent))  # as Snakemake does
    runpy.run_path(job["script"], {"snakemake": given}, run_name="__main__")
    print(peak_kib(), flush=True)


if __name__ == "__main__":
    main()
