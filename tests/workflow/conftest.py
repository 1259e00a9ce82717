"""Fixtures of the workflow tests."""

from tests.workflow.fixtures import (  # noqa: F401
    finished,
    fresh_project,
    project,
    shared_folder,
    world,
)
