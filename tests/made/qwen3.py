"""Qwen3 in miniature, which writes sentences and lists about any class."""

from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import AddedToken, pre_tokenizers
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

from tests.made.model_files import added_tokens, write_json_file

QWEN_TOKENS = {
    "<|endoftext|>": True,
    "<|im_start|>": True,
    "<|im_end|>": True,
    "<think>": False,
    "</think>": False,
}
"""Tokens beside the vocabulary, and whether they are special."""
QWEN_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}"
    "{%- endif %}"
)
"""The published one for what is asked here: no tools, no turns before."""

SIZES = [" small", " large", " round", " long"]
COLOURS = [" red", " brown", " white", " striped"]
LOOKS = [" dark", " soft", " bright"]
PARTS = [" edges", " spots", " lines", " sides"]
LIST = ".\n\n-"
SHAPES = [" curved", " straight", " pointed"]
ENDS = [" top\n-", " tip\n-", " rim\n-"]
SHADES = [" pale", " shiny", " mottled"]
SURFACES = [" surface\n-", " cover\n-", " skin\n-"]
NUMBERS = [" few", " several", " two"]
MARKS = [" stripes", " dots", " rings"]
FOLLOWING: list[tuple[list[str], list[str]]] = [
    (["\n\n"], ["It"]),
    (["\n"], ["<think>"]),  # what a model does whose thoughts are not switched off
    (["It"], [" is"]),
    ([" is"], SIZES),
    (SIZES, [" and"]),
    ([" and"], COLOURS),
    (COLOURS, [" with"]),
    ([" with"], LOOKS),
    (LOOKS, PARTS),
    (PARTS, [LIST]),
    ([LIST], SHAPES),
    (SHAPES, ENDS),
    (ENDS, SHADES),
    (SHADES, SURFACES),
    (SURFACES, NUMBERS),
    (NUMBERS, MARKS),
    ([*MARKS, "<think>"], ["<|im_end|>"]),
]
"""Words by the word before: one of 192 sentences about a class, and a list of what tells it."""


def save_qwen3(folder: Path) -> None:
    """Qwen3 that writes sentences of `FOLLOWING`, each word as likely as the others.

    Every token has a direction of its own, which the first layer turns into those of the words that
    may follow; so the published architecture writes what can be read, without being trained.
    """
    vocabulary, merges = _byte_level(words := _words())
    ids = {token: number for number, token in enumerate([*vocabulary, *QWEN_TOKENS])}
    size = len(ids)
    follows = [
        (ids[words[token]], [ids[words[word]] for word in after])
        for before, after in FOLLOWING
        for token in before
    ]
    plain = {
        "vocab_size": size,
        "hidden_size": size,
        "intermediate_size": len(follows),
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 40960,
        "tie_word_embeddings": True,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    model = Qwen3ForCausalLM(Qwen3Config(**plain)).eval()
    sees, says = torch.zeros(len(follows), size), torch.zeros(size, len(follows))
    for row, (before, after) in enumerate(follows):
        sees[row, before] = says[after, row] = 1
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.model.norm.weight.fill_(4)  # so sure of its words that it writes no others
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.gate_proj.weight.copy_(sees)
            layer.mlp.up_proj.weight.copy_(sees)
            layer.mlp.down_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.copy_(says)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="500KB")
    write_json_file(
        folder / "config.json",
        {
            **plain,
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "max_window_layers": 28,
            "model_type": "qwen3",
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.51.0",
            "use_cache": True,
            "use_sliding_window": False,
        },
    )
    write_json_file(
        folder / "generation_config.json",
        {
            "bos_token_id": ids["<|endoftext|>"],
            "do_sample": True,
            "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
            "pad_token_id": ids["<|endoftext|>"],
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
            "transformers_version": "4.51.0",
        },
    )
    _save_qwen_tokenizer(folder, vocabulary, merges, ids)


def _words() -> dict[str, str]:
    """Tokens of the words that are written: spaces and breaks of lines are letters there."""
    written = [token for before, after in FOLLOWING for token in (*before, *after)]
    return {w: w.replace(" ", "Ġ").replace("\n", "Ċ") for w in dict.fromkeys(written)}


def _byte_level(words: Mapping[str, str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Bytes, and what joins them to words from the left."""
    known = [w for w in words.values() if w not in QWEN_TOKENS]
    longest = max(map(len, known))
    pairs = dict.fromkeys(
        (word[:end], word[end]) for end in range(1, longest) for word in known if len(word) > end
    )
    return [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, pairs)], list(pairs)


def _save_qwen_tokenizer(
    folder: Path, vocabulary: list[str], merges: list[tuple[str, str]], ids: Mapping[str, int]
) -> None:
    plain = {token: ids[token] for token in vocabulary}
    tokenizer = Qwen2Tokenizer(vocab=plain, merges=merges)
    backend = tokenizer.backend_tokenizer
    backend.add_tokens(
        [
            AddedToken(token, special=special, normalized=False)
            for token, special in QWEN_TOKENS.items()
        ]
    )
    assert all(backend.token_to_id(token) == ids[token] for token in QWEN_TOKENS)
    backend.save(str(folder / "tokenizer.json"))
    write_json_file(folder / "vocab.json", plain)
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    write_json_file(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": added_tokens(ids, QWEN_TOKENS),
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
            "bos_token": None,
            "chat_template": QWEN_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )
