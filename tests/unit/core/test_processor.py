"""What the processor is said to have units for."""

from pathlib import Path

import pytest

from susx.core.processor import has_bfloat16_units


@pytest.mark.parametrize(
    ("told", "there"),
    [
        ("flags\t\t: fpu sse avx512f avx512_bf16\n", True),
        ("processor\t: 0\nflags\t\t: fpu amx_bf16 amx_tile\nbugs\t\t:\n", True),
        ("flags\t\t: fpu avx512f avx512_fp16\nvmx flags\t: avx512_bf16\n", False),
        ("flags\t\t: not_amx_bf16\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_features_of_the_processor_tell(tmp_path: Path, told: str, there: bool) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    assert has_bfloat16_units(tmp_path / "cpuinfo") is there


def test_a_system_that_does_not_tell_has_none(tmp_path: Path) -> None:
    assert has_bfloat16_units(tmp_path / "missing") is False
