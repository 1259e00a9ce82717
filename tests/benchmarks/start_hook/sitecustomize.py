"""Says where the processor time of a job goes; Python runs this first if the folder is on its path.

Only jobs of `bench_first_image` are looked at. An embedding is timed until its first batch, any
other job until its end.
"""

import importlib._bootstrap as bootstrap
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

JOBS = ("embed_images", "collate")


class Times:
    """CPU seconds of this process so far; imports are counted apart from what asks for them."""

    def __init__(self, job: str) -> None:
        self.told: dict[str, Any] = {"job": job, "library": "", "Python": time.process_time()}
        self.imports = 0.0
        self._importing = False

    def now(self) -> float:
        """Seconds without imports."""
        return time.process_time() - self.imports

    def watch(self) -> None:
        """Count imports, and look at modules of susx as they are imported."""
        find = bootstrap._find_and_load  # both `import` and `import_module` end in it

        def counted(name: str, import_: Any) -> Any:
            outermost, began = not self._importing, time.process_time()
            self._importing = True
            try:
                module = find(name, import_)
            finally:
                if outermost:
                    self.imports += time.process_time() - began
                    self._importing = False
            if name == "susx.encoders":
                module.load_encoder = self.loading(module.load_encoder)
            if name == "susx.artifacts.making":
                module.make = self.making(module.make)
            return module

        bootstrap._find_and_load = counted

    def loading(self, load: Any) -> Any:
        """The function that loads an encoder, timed until the first batch."""

        def timed(settings: Any) -> Any:
            began = self.now()
            encoder = load(settings)
            loaded = self.now()
            self.told |= {"library": settings.library, "model": loaded - began}
            encode = encoder.encode_images

            def first(batch: Any) -> Any:
                encoder.encode_images = encode
                rows = encode(batch)
                self.tell(**{"first batch": self.now() - loaded})
                return rows

            encoder.encode_images = first
            return encoder

        return timed

    def making(self, make: Any) -> Any:
        """The function that every job is done by; what it did is told when it ends."""

        def timed(*arguments: Any) -> None:
            make(*arguments)
            if not self.told["library"]:
                self.tell()

        return timed

    def tell(self, **more: float) -> None:
        """Write down what is known."""
        whole = {"imports": self.imports, "whole": time.process_time()}
        place = Path(os.environ["START_TIMES"], f"{os.getpid()}.json")
        place.write_text(json.dumps({**self.told, **more, **whole}), "utf-8")


parts = Path(sys.orig_argv[-1]).name.split(".")
if "START_TIMES" in os.environ and parts[-1] == "py" and parts[-2] in JOBS:
    Times(parts[-2]).watch()
