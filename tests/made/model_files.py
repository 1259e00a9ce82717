"""Files that configurations of models consist of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
"""How OpenAI's models normalise images."""


def write_json_file(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2), "utf-8")


def added_tokens(ids: Mapping[str, int], tokens: Mapping[str, bool]) -> dict[str, Any]:
    """Tokens that are no words, and whether they are special, as configurations list them."""
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {
        str(ids[token]): {"content": token, **plain, "special": special}
        for token, special in tokens.items()
    }
