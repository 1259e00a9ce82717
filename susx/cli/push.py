"""The command `susx push`."""

from __future__ import annotations

from typing import Annotated

import typer

from susx.cli.encoder_options import ClassifierFile
from susx.cli.errors import reported_errors
from susx.cli.printing import AsJson, Quiet, print_json, say


def push(
    classifier: ClassifierFile,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Made if need be.")],
    public: Annotated[
        bool, typer.Option("--public", help="Whoever likes may see a repository that is made.")
    ] = False,
    licence: Annotated[str | None, typer.Option(help="Of the classifier, such as mit.")] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Print the model card, and upload nothing.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Publish a classifier with a model card on the Hugging Face hub.

    The account is that of `hf auth login`, or of the environment variable HF_TOKEN.
    """
    from susx.classifier.publication import model_card, publishable, push_to_hub

    with reported_errors():
        if card:
            said = model_card(publishable(classifier), repository, licence)
        else:
            said = push_to_hub(classifier, repository, not public, licence)
    if as_json:
        print_json({"card" if card else "commit": said})
    elif card:
        typer.echo(said.encode())  # UTF-8 whatever standard output is, as the hub wants it
    elif not quiet:
        say(f"uploaded: {said}")
        say(f"to load it: susx classify --classifier hf-hub:{repository} IMAGES")
