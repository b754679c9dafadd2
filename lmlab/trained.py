"""A trained model with its tokenizer, as it is used in Python: `lm = lmlab.load("outputs/...")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmlab.config.memory import samples_memory
from lmlab.config.settings import TrainSettings
from lmlab.data.corpus import joined
from lmlab.data.loaders.sentences import evaluation_loader, in_order
from lmlab.data.reading import unix_line_ends
from lmlab.data.token_store import UNKNOWN_ID, TokenStore, build
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.errors import UserError
from lmlab.files import shown
from lmlab.generation import (
    Sample,
    SamplingOptions,
    check_whole,
    excluded_ids,
    generate,
    next_token_probabilities,
    start_of_text,
)
from lmlab.memory_limits import available_memory, check_memory
from lmlab.models.language_model import LanguageModel
from lmlab.runs.formatting import plural

if TYPE_CHECKING:
    from lmlab.evaluation.figures import Figures

# How text is sampled unless said otherwise.
_SAMPLING: dict[str, Any] = {
    "length": 500,
    "temperature": 0.8,
    "top_k": None,
    "top_p": None,
    "seed": 0,
    "stop_at_end": True,
    "allow_unknown": False,
    "precision": "32-true",
}


class Generated(NamedTuple):
    """A text that a model wrote.

    Args:
        text: the text after the prompt.
        stop_reason: ``end`` if it ended at the end token, ``length`` if at the maximum length.
    """

    text: str
    stop_reason: str


class TokenNats(NamedTuple):
    """The nats of a token.

    Args:
        token: its entry in the vocabulary.
        nats: -ln of the probability that the model gave it.
    """

    token: str
    nats: float


class NextToken(NamedTuple):
    """A possible next token.

    Args:
        token: its entry in the vocabulary.
        probability: that the model gives it.
    """

    token: str
    probability: float


class TrainedModel:
    """A model with its tokenizer and configuration.

    Args:
        model: in evaluation mode.
        tokenizer: fitted.
        settings: the run's settings.
        folder: the run's folder.
        figures: what is measured of a text; None for lmlab's own.
        text_fingerprints: SHA-256 of the texts that the run was made with, by split, as far as they are known.
    """

    def __init__(
        self,
        *,
        model: LanguageModel,
        tokenizer: Tokenizer,
        settings: TrainSettings,
        folder: Path,
        figures: Figures | None = None,
        text_fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.folder = folder
        self._figures = figures
        self.text_fingerprints = dict(text_fingerprints or {})

    @property
    def figures(self) -> Figures:
        """What is measured of a text."""
        if self._figures is None:
            # Torchmetrics takes a second to import, which a model that only writes need not wait for.
            from lmlab.evaluation.figures import Figures

            self._figures = Figures()
        return self._figures

    def __repr__(self) -> str:
        size = f"{self.model.num_parameters:,} parameters, {len(self.tokenizer.vocabulary):,} {self.tokenizer.unit}s"
        core = self.settings.model
        return f"TrainedModel({core.name} {core.num_layers} x {core.hidden_size}, {size}, from {shown(self.folder)})"

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop_at_end: bool = True,
        allow_unknown: bool = False,
        precision: str = "32-true",
    ) -> str:
        """Continues a prompt.

        Args:
            prompt: any text; unknown characters or words are read as `<unk>`.
            length: maximum number of tokens to write.
            temperature: 0 for the most probable token.
            top_k: draws from the k most probable tokens; None for all tokens.
            top_p: draws from the fewest tokens whose probabilities sum to p; None for all tokens.
            seed: the same seed gives the same text.
            stop_at_end: whether to stop at the end token, if there is one.
            allow_unknown: whether `<unk>` may be written.
            precision: of matrix products: `32-true`, or `bf16-true`, which is faster for several samples on a CPU with
                bfloat16 units.

        Returns:
            The text after the prompt.

        Raises:
            ValueError: a temperature below 0, or another option that is out of range.
        """
        return self.generate_samples(
            prompt,
            num_samples=1,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            stop_at_end=stop_at_end,
            allow_unknown=allow_unknown,
            precision=precision,
        )[0]

    def generate_samples(self, prompt: str = "", *, num_samples: int = 5, **how: Any) -> list[str]:
        """Continues a prompt several times.

        Args:
            prompt: any text; unknown characters or words are read as `<unk>`.
            num_samples: number of samples, drawn in one batch; sample i is what `generate` gives with seed + i.
            how: the other keywords of `generate`.

        Returns:
            The texts after the prompt.

        Raises:
            ValueError: an option that is out of range.
        """
        options = self.sampling_options(**(_SAMPLING | how))
        return [written.text for written in self.write(prompt, options, num_samples=num_samples)]

    def sampling_options(
        self,
        *,
        length: int,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
        seed: int,
        stop_at_end: bool,
        allow_unknown: bool,
        precision: str,
    ) -> SamplingOptions:
        """Returns sampling options with this tokenizer's special tokens."""
        banned = [i for i in excluded_ids(self.tokenizer) if not (allow_unknown and i == UNKNOWN_ID)]
        silent = self.tokenizer.end_token in ("document", "sentence")  # the end token of a line stands for a line end
        if silent and not stop_at_end and self.tokenizer.end_id is not None:
            banned.append(self.tokenizer.end_id)
        return SamplingOptions(
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            banned=tuple(banned),
            end_id=self.tokenizer.end_id if stop_at_end else None,
            precision=precision,
        )

    def write(
        self,
        prompt: str,
        options: SamplingOptions,
        *,
        num_samples: int = 1,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Generated]:
        """Continues a prompt several times.

        Args:
            prompt: any text.
            options: how to sample.
            num_samples: number of samples; sample i is drawn with seed + i.
            on_text: called with each piece of sample 0 as it is written.

        Raises:
            UserError: the samples do not fit into memory.
        """
        sizes = {"num_samples": num_samples, "length": options.length}
        check_memory(samples_memory, sizes, available_memory())
        _check_text("prompt", prompt)
        prompt_ids = self.tokenizer.encode(prompt).tolist()
        start = start_of_text(self.tokenizer, prompt_ids)
        on_token = None if on_text is None else self._writer(prompt_ids, on_text)
        samples = generate(self.model, start, options, num_samples=num_samples, on_token=on_token)
        return [self._generated(prompt_ids, sample) for sample in samples]

    def _writer(self, prompt_ids: Sequence[int], on_text: Callable[[str], None]) -> Callable[[int], None]:
        """Returns a function that hands the text of each id on."""
        streamer = self.tokenizer.streamer()
        for token_id in prompt_ids:
            streamer.push(token_id)
        return lambda token_id: on_text(streamer.push(token_id))

    def _generated(self, prompt_ids: Sequence[int], sample: Sample) -> Generated:
        parts: list[str] = []
        write = self._writer(prompt_ids, parts.append)
        for token_id in sample.ids:
            write(token_id)
        return Generated("".join(parts), sample.stop_reason)

    def next_tokens(self, prompt: str = "", *, top: int = 5) -> list[NextToken]:
        """Returns the tokens most likely to follow a prompt, the most probable first.

        Args:
            prompt: any text.
            top: number of tokens, at least 1.
        """
        _check_text("prompt", prompt)
        check_whole("top", top, at_least=1)
        ids = start_of_text(self.tokenizer, self.tokenizer.encode(prompt).tolist())
        probs = next_token_probabilities(self.model, ids)
        found = probs.topk(min(top, len(probs)))
        vocabulary = self.tokenizer.vocabulary
        return [NextToken(vocabulary[i], p) for i, p in zip(found.indices.tolist(), found.values.tolist(), strict=True)]

    def nats(self, text: str) -> float:
        """Returns the total nats of a text, read from a fresh state.

        The first token is predicted from the end token if the tokenizer has one, else it is not counted.
        """
        return sum(token.nats for token in self.token_nats(text))

    def token_nats(self, text: str) -> list[TokenNats]:
        """Returns the nats of each counted token of a text; their sum is `nats`."""
        from lmlab.evaluation.protocol import nats_by_token

        store = build(self._documents(text), self.tokenizer)
        if store.num_targets < 1:
            return []
        nats = nats_by_token(self.model, in_order(store)).tolist()
        counted = store.ids[len(store) - len(nats) :]
        vocabulary = self.tokenizer.vocabulary
        return [TokenNats(vocabulary[int(i)], n) for i, n in zip(counted, nats, strict=True)]

    def evaluate(self, text: str | list[str], *, num_streams: int | None = None) -> dict[str, float]:
        """Evaluates a text under the evaluation protocol: nats, perplexity, bits per character, error and unknown rate.

        Args:
            text: one or several documents.
            num_streams: number of streams, at least 1; None for the number that the protocol sets.

        Raises:
            UserError: the text has nothing to predict.
        """
        return self.evaluate_store(build(self._documents(text), self.tokenizer), num_streams=num_streams)

    def _documents(self, text: str | list[str]) -> list[str]:
        """Returns the documents of running text, or the sentences; a single text has a sentence per non-empty line."""
        documents = [text] if isinstance(text, str) else text
        if not isinstance(documents, list | tuple):
            raise TypeError(f"text must be a text or a list of texts, not {type(text).__name__}")
        for document in documents:
            _check_text("text", document)
        given = [unix_line_ends(document) for document in documents]
        if self.tokenizer.end_token != "sentence":
            return [str(document) for document in joined(given)]
        lines = given if not isinstance(text, str) else given[0].split("\n")
        return [line for line in lines if line.strip()]

    def evaluate_store(self, store: TokenStore, *, num_streams: int | None) -> dict[str, float]:
        """Evaluates a text that is already encoded, like `evaluate`."""
        from lmlab.evaluation.protocol import evaluate

        if num_streams is not None:
            check_whole("num_streams", num_streams, at_least=1)
        if store.num_targets < 1:
            raise UserError("text", None, f"{plural(len(store), 'token')}, nothing to predict", "give a longer text")
        loader = evaluation_loader(store, num_streams=num_streams)
        found = evaluate(self.model, loader, store=store, figures=self.figures)
        return found | {"num_streams": loader.num_streams}


def _check_text(name: str, value: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {type(value).__name__}")
