"""What the processor of this machine has units for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells the features of every processor; other systems have no such file."""
BFLOAT16 = {"amx_bf16", "avx512_bf16"}
"""Features by which oneDNN, which torch multiplies with, computes in bfloat16 on x86.

Those of Arm are left out, as nothing was measured there.
"""


@cache
def has_bfloat16_units(cpuinfo: Path = CPUINFO) -> bool:
    """Whether matrices of bfloat16 are multiplied faster than those of float32."""
    try:
        told = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", told, re.MULTILINE)
    return flags is not None and not BFLOAT16.isdisjoint(flags[1].split())
