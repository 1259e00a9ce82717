"""The command `susx serve`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from susx.cli.encoder_options import ClassifierFile, Device, MovedModel
from susx.cli.errors import reported_errors
from susx.core.errors import InputError
from susx.core.extras import extra_problem

LOOPBACK = "127.0.0.1"


def serve(
    classifier: ClassifierFile,
    support: Annotated[
        Path | None,
        typer.Option(help="work/{dataset}/support/{support}: shows the images that voted."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    model: MovedModel = None,
    device: Device = "auto",
) -> None:
    """Classify images that are dropped on a page of this machine. Ctrl+C ends it."""
    with reported_errors():
        if problem := extra_problem("serve"):
            raise InputError(f"susx serve {problem}")
        import uvicorn

        from susx.classifier.file import load_classifier
        from susx.server.app import make_app
        from susx.server.support_pictures import support_pictures

        loaded = load_classifier(classifier, model, device)
        pictures = support_pictures(support, loaded.meta) if support else {}
        _ = loaded.encoder  # says now what is wrong with it
        link = listening(port)
    typer.echo(f"http://{LOOPBACK}:{link.getsockname()[1]}/ shows the page; Ctrl+C ends it")
    config = uvicorn.Config(make_app(loaded, pictures), log_level="warning")
    uvicorn.Server(config).run(sockets=[link])


def listening(port: int) -> socket.socket:
    """A socket that only programs of this machine reach.

    Raises:
        InputError: if the port is taken, or not allowed.
    """
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        link.bind((LOOPBACK, port))
    except OSError as error:
        link.close()
        raise InputError(f"port {port}: {error.strerror}; choose another by --port") from None
    return link
