"""An analysis on a CUDA device: `python -m pytest -m gpu`."""

from pathlib import Path

import pytest

from susx.report.analysis import AnalysisSettings, analyse
from susx.report.schema import Analysis
from tests.made.caches import write_files
from tests.made.classifier import STRATEGIES, choice_of, evaluated

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("method", ["tip-x", "tip-adapter", "gda", "cupl+e"])
def test_an_analysis_on_cuda_is_that_on_the_cpu(tmp_path: Path, method: str) -> None:
    files = write_files(tmp_path, STRATEGIES)
    choice = choice_of(method, "validation")
    found = []
    for device in ("cpu", "cuda"):
        evaluation = evaluated(files, device=device)
        wanted = AnalysisSettings(4, 2, 5, device=device)
        made = analyse("pets", "clip", files, evaluation, choice, wanted)
        found.append(Analysis.model_validate(made))
    cpu, cuda = found
    assert cuda.classes == cpu.classes
    assert [example.key for example in cuda.examples] == [example.key for example in cpu.examples]
    assert [histogram.mean for histogram in cuda.histograms] == pytest.approx(
        [histogram.mean for histogram in cpu.histograms], abs=1e-4
    )
    assert [point.n_images for point in cuda.sizes] == [point.n_images for point in cpu.sizes]
