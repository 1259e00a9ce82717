"""A process that ends quickly loses nothing of what it was to do at its end."""

import subprocess
import sys
from pathlib import Path

CODE = """\
import atexit, sys
from pathlib import Path
from susx.core.compute import end_quickly
end_quickly()
atexit.register(print, "at exit")
stream = open(sys.argv[1], "w")
stream.write("not flushed yet")
"""


def test_files_are_closed_and_last_calls_made(tmp_path: Path) -> None:
    path = tmp_path / "file"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "at exit\n"
    assert path.read_text() == "not flushed yet"
