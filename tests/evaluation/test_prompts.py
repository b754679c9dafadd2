"""Nats of the tokens behind prompts, against a plain loop over each prompt, and where prompts are found."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.evaluation.prompts import (
    LEAST_PROMPTS,
    MOST_PROMPTS,
    PROMPT_CHARACTERS,
    TOKENS_BEHIND,
    describe_prompts,
    find_prompts,
    prompt_figures,
)
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import LSTM

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "re") for b in ("ba", "de", "fo", "gu", "hi")]


def made_text(sentences: int) -> str:
    """Sentences of 4 to 7 words, every fourth in quotation marks, every fifth with a comma behind its second word."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for number in range(sentences):
        count = 4 + int(torch.randint(4, (), generator=generator))
        words = [WORDS[int(i)] for i in torch.randint(len(WORDS), (count,), generator=generator)]
        words[0] = words[0].capitalize()
        if number % 5 == 0:
            words[1] += ","
        sentence = " ".join(words) + "."
        made.append(f'"{sentence}"' if number % 4 == 0 else sentence)
    return " ".join(made)


TEXT = made_text(300)
TOKENIZERS = {
    "word": WordTokenizer(end_token=None, lower=True, split="punctuation", min_frequency=1, max_size=None),
    "character": CharTokenizer(end_token=None),
}
EACH_UNIT = pytest.mark.parametrize("unit", list(TOKENIZERS))


def model_for(unit: str) -> LanguageModel:
    tokenizer = TOKENIZERS[unit]
    tokenizer.fit([TEXT])
    torch.manual_seed(0)
    core = LSTM(input_size=5, hidden_size=7, num_layers=2, dropout=0.3, locked_dropout=False)
    model = LanguageModel(
        vectors=torch.randn(len(tokenizer.vocabulary), 5), core=core, input_dropout=0.3, output_dropout=0.3,
        locked_dropout=False, embedding_dropout=0.0, tie_weights=False, freeze_embedding=False,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in [*model.core.parameters(), *model.decoder.parameters()]:
            parameter.mul_(4)  # so that what was read matters
    return model


@EACH_UNIT
def test_prompts_are_beginnings_of_sentences_with_text_before_and_behind(unit: str) -> None:
    found = find_prompts(TEXT, unit=unit)
    assert len(found) > LEAST_PROMPTS
    assert found == sorted(set(found))
    for start, stop in found:
        prompt, before = TEXT[start:stop], TEXT[:start].rstrip('" ')
        assert prompt[0].isupper()
        assert before.endswith(".")
        assert len(before) > 400
        if unit == "word":
            assert len(prompt.split(" ")) == 3
            assert prompt.replace(" ", "").isalpha()
            assert TEXT[stop] == " "
        else:
            assert stop - start == PROMPT_CHARACTERS


def test_of_many_prompts_some_from_all_over_the_text_are_taken() -> None:
    text = made_text(4_000)
    found = find_prompts(text, unit="character")
    assert len(found) == MOST_PROMPTS
    assert found[0].start < 1_000
    assert found[-1].stop > len(text) - 1_000


@EACH_UNIT
def test_nats_are_those_of_each_prompt_read_by_itself(unit: str) -> None:
    model, tokenizer = model_for(unit), TOKENIZERS[unit]
    found = prompt_figures(model, tokenizer, TEXT)
    assert found is not None
    alone, within = [], []
    for start, stop in find_prompts(TEXT, unit=unit):
        prompt = tokenizer.encode(TEXT[start:stop]).tolist()
        behind = tokenizer.encode(TEXT[stop : stop + 100]).tolist()[:TOKENS_BEHIND]
        before = tokenizer.encode(TEXT[start - 500 : start]).tolist()
        alone.append(by_hand(model, prompt, behind))
        within.append(by_hand(model, before + prompt, behind))
    a, b = torch.stack(alone), torch.stack(within)
    assert found["prompts"] == len(alone)
    assert found["nats"] == pytest.approx(a.mean(dim=0).tolist(), rel=1e-6)
    assert found["nats_in_text"] == pytest.approx(b.mean(dim=0).tolist(), rel=1e-6)
    assert found["standard_error"] == pytest.approx(((a - b).std(dim=0) / len(alone) ** 0.5).tolist(), rel=1e-3)
    assert found["nats"] != pytest.approx(found["nats_in_text"], rel=1e-3)
    assert f"{found['nats'][0]:.2f}" in describe_prompts(found)


def by_hand(model: LanguageModel, context: list[int], behind: list[int]) -> Tensor:
    """Nats of each id behind a context, one id at a time, in float64."""
    model = copy.deepcopy(model).double().eval()
    state, nats = model.init_state(1), []
    with torch.no_grad():
        for number, token in enumerate([*context, *behind][:-1]):
            hidden, state, _ = model(torch.tensor([[token]]), state)
            if number >= len(context) - 1:
                log_probs = model.decoder.logits(hidden[0, 0]).log_softmax(dim=0)
                nats.append(-log_probs[behind[number - len(context) + 1]])
    return torch.stack(nats)


def test_a_short_text_has_no_figure() -> None:
    assert prompt_figures(model_for("word"), TOKENIZERS["word"], made_text(40)) is None
