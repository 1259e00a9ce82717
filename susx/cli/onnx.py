"""The command `susx onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.cli.encoder_options import ClassifierFile, MovedModel
from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, Quiet, print_json, say


def onnx(
    classifier: ClassifierFile,
    file: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="File to write.")],
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Take in images, not their embeddings.")
    ] = False,
    model: MovedModel = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a classifier as an ONNX file, compared with the classifier before it is kept."""
    from susx.classifier.file import load_classifier
    from susx.classifier.onnx_file import OUTPUTS, write_onnx

    if model is not None and not encoder:
        raise typer.BadParameter("--model is for --encoder, without which no encoder is loaded")
    with reported_errors():
        made = write_onnx(file, load_classifier(classifier, model, "cpu"), encoder)
    if as_json:
        print_json(
            {
                "file": str(made.path),
                "inputs": list(made.inputs),
                "outputs": list(OUTPUTS),
                "difference": made.difference,
                "tolerance": made.tolerance,
            }
        )
    elif not quiet:
        say(f"{made.path}: {', '.join(made.inputs)} to {' and '.join(OUTPUTS)}")
        say(
            f"logits of onnxruntime are within {made.difference:.2g} of the classifier's; rounding "
            f"explains {made.tolerance:.2g}"
        )
