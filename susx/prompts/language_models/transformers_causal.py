"""Causal and chat models of the transformers library, from a local folder or the hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from susx.config.texts import TransformersModel
from susx.core.compute import pick_device
from susx.core.errors import InputError
from susx.core.files import sha256_file, sha256_json
from susx.prompts.language_models import Keep, Reply, Request, Sampling, nothing
from susx.prompts.thoughts import is_mark, open_thought

ALWAYS_THINKS = "<|channel|>analysis"
"""In templates of gpt-oss, whose effort can be lowered, but not to nothing."""


class GumbelNoise(LogitsProcessor):  # type: ignore[misc]
    """Makes the greedy choice a sample from softmax(scores), with one generator per row.

    argmax(scores + Gumbel noise) is such a sample (Gumbel, 1954). The noise is drawn on the CPU,
    row by row, so that a reply depends neither on the device nor on the rest of its batch.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Add noise to (B, V) scores."""
        exponential = torch.stack(
            [torch.empty(scores.shape[1]).exponential_(generator=g) for g in self._generators]
        )
        noise = -exponential.clamp(min=torch.finfo(torch.float32).tiny).log()
        return scores + noise.to(scores.device)


class CausalModel:
    """`AutoModelForCausalLM` behind the contract of language models."""

    def __init__(self, key: str, settings: TransformersModel, model: Any, tokenizer: Any) -> None:
        device = pick_device(settings.device)
        self.provenance: dict[str, Any] = {
            "backend": settings.backend,
            "model": settings.model,
            "revision": settings.revision,
            **_weights(settings.model, model),
            "precision": settings.precision,
            "chat_template": bool(tokenizer.chat_template),
            "device": device,
        }
        self._key = key
        self._device = torch.device(device)
        self._model = model.to(self._device).eval()
        self._tokenizer = tokenizer
        self._batch_size = settings.batch_size
        self._thinking = settings.thinking_tokens
        self._opening = self._opening_of_thoughts(settings.model)
        self._skipped = {
            token
            for token, added in tokenizer.added_tokens_decoder.items()
            if added.special and not is_mark(added.content)
        }

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, keep: Keep = nothing
    ) -> list[Reply]:
        """Reply to every request, in batches of questions of similar length.

        Raises:
            InputError: if a question is too long for the model, or a batch for the memory.
        """
        prompts = [self._tokens(request.question) for request in requests]
        self._check_length(max(map(len, prompts), default=0), self._longest(sampling))
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        starts = range(0, len(order), self._batch_size)
        replies: dict[int, Reply] = {}
        for start in tqdm(starts, unit=" batches of replies"):
            batch = order[start : start + self._batch_size]
            seeds = [requests[i].seed for i in batch]
            written = self._write([prompts[i] for i in batch], seeds, sampling)
            for i, reply in zip(batch, written, strict=True):
                keep(requests[i], reply)
                replies[i] = reply
        return [replies[i] for i in range(len(requests))]

    def _longest(self, sampling: Sampling) -> int:
        return sampling.max_tokens + self._thinking

    def _tokens(self, question: str) -> list[int]:
        """Token ids of a question as a chat model is asked, or as a base model continues it."""
        special = not self._tokenizer.chat_template
        ids: list[int] = self._tokenizer(self._prompt(question), add_special_tokens=special)[
            "input_ids"
        ]
        return ids

    def _prompt(self, question: str) -> str:
        if not self._tokenizer.chat_template:
            return f"Question: {question}\nAnswer:"
        thinks = self._thinking > 0
        # Variables of templates: of Qwen and GLM; of DeepSeek, Granite and Kimi; of Cohere.
        switches: dict[str, Any] = dict.fromkeys(
            ("enable_thinking", "thinking", "reasoning"), thinks
        )
        if ALWAYS_THINKS in str(self._tokenizer.chat_template):
            switches["reasoning_effort"] = "low"
        prompt: str = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            tokenize=False,
            **switches,
        )
        return prompt

    def _opening_of_thoughts(self, model: str) -> str:
        """The tag of a thought that the model's questions end with.

        Raises:
            InputError: if the model thinks, but has no tokens to think in.
        """
        opening = open_thought(self._prompt(""))
        always = ALWAYS_THINKS in str(self._tokenizer.chat_template)
        if (opening or always) and not self._thinking:
            raise InputError(
                f"{self._key}: {model} thinks before it replies, which its chat template cannot "
                "switch off; give it `thinking_tokens`, such as 1000"
            )
        return opening

    def _check_length(self, prompt: int, reply: int) -> None:
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit and prompt + reply > limit:
            raise InputError(
                f"{self._key}: the longest question ({prompt} tokens) and its reply ({reply}: "
                f"`max_tokens` and `thinking_tokens`) "
                f"exceed the model's {limit} tokens; lower `max_tokens` or shorten the question"
            )

    @torch.inference_mode()
    def _write(
        self, prompts: list[list[int]], seeds: list[int], sampling: Sampling
    ) -> Iterator[Reply]:
        inputs = self._tokenizer.pad(
            {"input_ids": prompts}, padding_side="left", return_tensors="pt"
        ).to(self._device)
        processors = LogitsProcessorList()
        if sampling.temperature > 0:
            processors.append(TemperatureLogitsWarper(float(sampling.temperature)))
            if sampling.top_p < 1:
                processors.append(TopPLogitsWarper(float(sampling.top_p)))
            processors.append(GumbelNoise(seeds))
        ends = _end_tokens(self._model, self._tokenizer)
        settings = GenerationConfig(
            max_new_tokens=self._longest(sampling),
            do_sample=False,
            num_beams=1,
            eos_token_id=ends or None,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        try:
            tokens = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                generation_config=settings,
                logits_processor=processors,
            )
        except torch.OutOfMemoryError:
            raise InputError(
                f"{self._key}: out of memory; lower `batch_size` or choose a `precision` of 16 bit"
            ) from None
        for prompt, row in zip(
            prompts, tokens[:, inputs["input_ids"].shape[1] :].tolist(), strict=True
        ):
            length = next((i for i, token in enumerate(row) if token in ends), None)
            written = len(row) if length is None else length + 1
            yield Reply(self._text(row[:length]), length is not None, len(prompt), written)

    def _text(self, tokens: list[int]) -> str:
        """What was written, without special tokens but for those of thoughts and turns."""
        kept = [token for token in tokens if token not in self._skipped]
        return f"{self._opening}{self._tokenizer.decode(kept, skip_special_tokens=False)}"


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end a reply, by the model and by its tokenizer."""
    known = model.generation_config.eos_token_id
    ends = known if isinstance(known, list) else [known]
    return sorted({token for token in (*ends, tokenizer.eos_token_id) if token is not None})


def _weights(name: str, model: Any) -> dict[str, Any]:
    """What identifies the weights: a commit of the hub, or a hash of the local files."""
    if not Path(name).is_dir():
        return {"commit": getattr(model.config, "_commit_hash", None)}
    files = sorted(Path(name).glob("*.safetensors"))
    return {"weights_sha256": sha256_json({path.name: sha256_file(path) for path in files})}


def load(key: str, settings: TransformersModel) -> CausalModel:
    """Load a causal language model without running code that it brings along.

    Raises:
        InputError: if the model is missing, incomplete, or not a causal language model.
    """
    options = {"revision": settings.revision, "trust_remote_code": False}
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            settings.model,
            dtype=getattr(torch, settings.precision),
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.model, **options)
    except Exception as error:  # the library raises many kinds for missing and broken files
        raise InputError(
            f"{key}.model: {settings.model} cannot be loaded as a causal language model of "
            f"transformers ({type(error).__name__}: {error}); give a folder that save_pretrained "
            "wrote, or a hub identifier"
        ) from None
    if report["missing_keys"]:
        raise InputError(
            f"{key}.model: {settings.model}: weights are missing "
            f"({sorted(report['missing_keys'])[0]}, ...); it is not a complete checkpoint"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return CausalModel(key, settings, model, tokenizer)
