"""Asking a language model about classes, and joining what it wrote into descriptions."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from susx.config.texts import Descriptions
from susx.core.errors import InputError
from susx.core.files import read_checked
from susx.core.plain import well_formed
from susx.manifests.classes import ClassManifest
from susx.prompts import sentences
from susx.prompts.kept_replies import KeptReplies
from susx.prompts.language_models import LanguageModel, Reply, Request, Sampling
from susx.prompts.strategies import DESCRIPTIONS_FORMAT, fill
from susx.prompts.thoughts import begin_in_thought, without_thoughts

REPLIES_FORMAT = "susx-replies-3"
ASKED = ("questions", "instruction", "samples", "temperature", "top_p", "max_tokens", "seed")
"""Keys of `Descriptions` that replies depend on."""
UNREAD = ("malformed", "withheld")
"""Why a reply is not read; at most one of them holds of a reply."""
PARSERS = {"descriptions": sentences.descriptions, "descriptors": sentences.descriptors}
VOWELS = "aeiou"
KEEPS_NONE = KeptReplies(None)


def ask(question: str, instruction: str, name: str) -> str:
    """Put a class name and its article into a question; none of them is ever format-ted.

    Names that begin with a vowel letter get `an`, as CuPL does it.
    """
    article = "an" if name[:1].casefold() in VOWELS else "a"
    return f"{fill(question.replace('{a}', article), name)} {instruction}".strip()


def request_seed(seed: int, name: str, question: str, sample: int) -> int:
    """Seed of one reply, in 31 bits: the same whatever else is asked."""
    text = "\0".join((str(seed), name, question, str(sample)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


def describe_classes(
    names: Mapping[str, str],
    settings: Descriptions,
    model: LanguageModel,
    kept: KeptReplies = KEEPS_NONE,
) -> dict[str, Any]:
    """Ask a model about some classes.

    Args:
        names: how every class is called in a question, by its name.
        settings: questions and sampling.
        model: language model.
        kept: replies of an earlier try, which are not asked for again; gets the others.

    Returns:
        Every reply as the model wrote it, by class, with what was asked: `join_replies` reads it.

    Raises:
        InputError: from the model, or if it only thought.
    """
    asked = [
        (name, position, question, sample)
        for name in names
        for position, question in enumerate(settings.questions)
        for sample in range(settings.samples)
    ]
    requests = [
        Request(
            ask(question, settings.instruction, names[name]),
            request_seed(settings.seed, name, question, sample),
        )
        for name, _, question, sample in asked
    ]
    sampling = Sampling(settings.temperature, settings.top_p, settings.max_tokens)
    replies = _answered(requests, sampling, model, kept)
    _check_thoughts(replies, settings.model)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for (name, position, *_), reply in zip(asked, replies, strict=True):
        text = well_formed(reply.text)
        row = {"question": position, "text": text, "finished": reply.finished}
        unread = {"malformed": reply.malformed, "withheld": reply.withheld}
        rows[name].append({**row, **unread})
    return {
        "format": REPLIES_FORMAT,
        "asked": settings.model_dump(include=set(ASKED)),
        "model": model.provenance | _writers(replies),
        "tokens": {
            "questions": sum(reply.question_tokens for reply in replies),
            "replies": sum(reply.reply_tokens for reply in replies),
        },
        "replies": rows,
    }


def _answered(
    requests: Sequence[Request], sampling: Sampling, model: LanguageModel, kept: KeptReplies
) -> list[Reply]:
    """Replies to all requests, in order; those that are kept are not asked for."""
    known = {request: kept.find(request) for request in requests}
    lacking = [request for request, reply in known.items() if reply is None]
    if len(lacking) < len(known):
        logging.info("%d of %d replies were kept", len(known) - len(lacking), len(known))
    answers = model.answer(lacking, sampling, kept.add)
    known |= dict(zip(lacking, answers, strict=True))
    return [reply for request in requests if (reply := known[request]) is not None]


def _writers(replies: Sequence[Reply]) -> dict[str, Any]:
    """Models that have written the replies, kept ones as well, if a server names them."""
    writers = sorted({reply.writer for reply in replies if reply.writer})
    return {"answered_by": writers} if writers else {}


def _check_thoughts(replies: Sequence[Reply], model: str) -> None:
    cut = [reply for reply in replies if not reply.finished]
    if cut and len(cut) == len(replies) and not any(without_thoughts(r.text)[0] for r in cut):
        raise InputError(
            f"config.yaml: language_models.{model}: all {len(cut)} replies are thoughts that took "
            "every token; raise `thinking_tokens`, by 1000 say, or switch thinking off by `options`"
        )


def join_replies(kind: str, classes: ClassManifest, paths: Sequence[str | Path]) -> dict[str, Any]:
    """Join the replies about all classes into their descriptions or descriptors.

    Args:
        kind: `descriptions` or `descriptors`.
        classes: class manifest.
        paths: files with what `describe_classes` returned.

    Returns:
        {class name: [text, ...]} under `texts`, and where they come from under `provenance`:
        model, questions, sampling, tokens, and what was kept and dropped, in all and by class.

    Raises:
        InputError: if a file is broken, asks something else than the others, or lacks a class.
    """
    chunks = [_read_replies(path) for path in paths]
    replies = {name: rows for chunk in chunks for name, rows in chunk["replies"].items()}
    harvests: dict[str, sentences.Harvest] = {}
    hidden = begin_in_thought(
        row["text"]
        for rows in replies.values()
        for row in rows
        if row["finished"] and not any(row[reason] for reason in UNREAD)
    )
    for entry in classes:
        if entry.name not in replies:
            raise InputError(f'no replies about class "{entry.name}"; {_rebuild(paths[0])}')
        rows = [row for row in replies[entry.name] if not any(row[reason] for reason in UNREAD)]
        said = [(row["text"], row["finished"]) for row in rows]
        harvest = PARSERS[kind](_marked(said) if hidden else said, entry.prompt_name)
        for reason in UNREAD:
            if n_unread := sum(row[reason] for row in replies[entry.name]):
                harvest.dropped[reason] = n_unread
        harvests[entry.name] = harvest
    for path, chunk in zip(paths, chunks, strict=True):
        if chunk["asked"] != chunks[0]["asked"]:
            raise InputError(f"{path}: asks otherwise than {paths[0]}; {_rebuild(path)}")
    provenance = {
        "model": _merged([chunk["model"] for chunk in chunks]),
        **chunks[0]["asked"],
        "tokens": {
            key: sum(chunk["tokens"][key] for chunk in chunks) for key in ("questions", "replies")
        },
        "n_replies": sum(len(replies[name]) for name in harvests),
        "n_kept": sum(len(harvest.texts) for harvest in harvests.values()),
        "n_prefixed": sum(harvest.prefixed for harvest in harvests.values()),
        "n_dropped": dict(sum((harvest.dropped for harvest in harvests.values()), Counter())),
        "classes": {
            name: {
                "n_kept": len(harvest.texts),
                "share_kept": harvest.share,
                "n_dropped": dict(harvest.dropped),
            }
            for name, harvest in harvests.items()
        },
    }
    return {
        "format": DESCRIPTIONS_FORMAT,
        "provenance": provenance,
        "texts": {name: harvest.texts for name, harvest in harvests.items()},
    }


def _marked(said: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Replies of a model whose question opens the thought; a cut one may still be in it."""
    return [(text if finished else f"<think>{text}", finished) for text, finished in said]


def _read_replies(path: str | Path) -> dict[str, Any]:
    data = read_checked(path, _rebuild(path))
    keys = {"asked", "model", "tokens", "replies"}
    if data.get("format") != REPLIES_FORMAT or keys - data.keys():
        raise InputError(f"{path}: not a file of replies; {_rebuild(path)}")
    return data


def _rebuild(path: str | Path) -> str:
    return f"delete {path}, rule describe_classes rebuilds it"


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One value per key, or all of them where jobs differ, as in their device."""
    merged: dict[str, Any] = {}
    for key in parts[0]:
        values: list[Any] = []
        for part in parts:
            if part.get(key) not in values:
                values.append(part.get(key))
        merged[key] = values[0] if len(values) == 1 else values
    return merged


def shares_told(data: Mapping[str, Any], least: int = 5) -> list[str]:
    """Tell what share of its texts was kept of all classes, and of the `least` well served ones.

    Args:
        data: what `join_replies` returned.
        least: how many classes are named.
    """
    counts = data["provenance"]
    n_kept, n_dropped = counts["n_kept"], sum(counts["n_dropped"].values())
    ranked = sorted(counts["classes"].items(), key=lambda item: item[1]["share_kept"])
    named = ", ".join(f'"{name}" {row["share_kept"]:.0%}' for name, row in ranked[:least])
    return [
        f"{n_kept} of {n_kept + n_dropped} texts kept, dropped: {counts['n_dropped']}",
        f"smallest shares kept: {named}",
    ]
