from __future__ import annotations

import pytest
import torch

from lmlab.device import check_precision, choose_device
from lmlab.errors import UserError


@pytest.mark.parametrize(("precision", "device"), [("16-mixed", "cpu"), ("bf16-mixed", "cuda")])
def test_a_precision_that_would_silently_be_another_is_refused(precision: str, device: str) -> None:
    with pytest.raises(UserError, match=precision):
        check_precision(precision, torch.device(device))


@pytest.mark.parametrize(("precision", "device"), [("32-true", "cpu"), ("bf16-mixed", "cpu"), ("16-mixed", "cuda")])
def test_other_precisions_pass(precision: str, device: str) -> None:
    assert check_precision(precision, torch.device(device)) is None


def test_a_gpu_is_taken_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="trainer=gpu"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert choose_device("auto") == choose_device("gpu") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")
