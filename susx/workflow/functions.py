"""Functions of rules: what Snakemake asks with wildcards, and planning answers from names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from typing import Any

from susx.core.errors import InputError
from susx.core.plain import plain
from susx.planning.setup import Setup

OF_JOBS = ("input", "attempt")
"""What Snakemake hands to a function of resources whose signature names it."""


class RefusedRun(SystemExit):
    """Bad input, found while a run is planned; Snakemake ends with the message alone."""


@contextmanager
def refusals() -> Iterator[None]:
    """End Snakemake with the message of an `InputError`, of which it would show the traceback.

    What a disk or its permissions refuse is told in one line as well. A file that is missing would
    have been looked for, so that this is an error of ours, which needs its traceback.
    """
    try:
        yield
    except InputError as error:
        raise RefusedRun(str(error)) from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.filename is None:
            raise
        reason = f"{error.filename}: cannot be read or written ({error.strerror})"
        raise RefusedRun(plain(f"{reason}; mend that, and call again", keep="")) from None


def rule_function(
    setup: Setup, function: Callable[..., Any], fixed: dict[str, Any]
) -> Callable[..., Any]:
    """A function of a rule that asks `function` with the wildcards that its signature names.

    Args:
        setup: first argument of `function`, if that is called so. With `gaps`, bad input is noted
            there, and the answer is empty.
        function: of planning.
        fixed: arguments that are the same for all jobs of the rule.
    """
    known = fixed | {"setup": setup}
    parameters = signature(function).parameters
    of_job = [name for name in parameters if name in OF_JOBS]
    names = [name for name in parameters if name not in {*known, *of_job}]
    always = {name: value for name, value in known.items() if name in parameters}

    def answer(wildcards: Any, **given: Any) -> Any:
        with refusals():
            try:
                named = {name: getattr(wildcards, name) for name in names}
                return function(**named, **always, **given)
            except InputError as error:
                if setup.gaps is None:
                    raise
                setup.gaps.note(str(error))
                return _nothing(function)

    shown = [Parameter("wildcards", Parameter.POSITIONAL_OR_KEYWORD)]
    shown += [Parameter(name, Parameter.KEYWORD_ONLY) for name in of_job]
    answer.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    return answer


def _nothing(function: Callable[..., Any]) -> Any:
    """What stands for an answer where planning goes on without it: of the kind that is promised."""
    promised = str(function.__annotations__.get("return"))
    return {} if promised.startswith("dict") else 1 if promised == "int" else []
