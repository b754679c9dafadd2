from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lmlab.device import check_precision, choose_device, choose_precision, slow_bfloat16
from lmlab.errors import UserError


@pytest.mark.parametrize(("precision", "device"), [("16-mixed", "cpu"), ("bf16-mixed", "cuda")])
def test_a_precision_that_would_silently_be_another_is_refused(precision: str, device: str) -> None:
    with pytest.raises(UserError, match=precision):
        check_precision(precision, torch.device(device))


@pytest.mark.parametrize(("precision", "device"), [("32-true", "cpu"), ("bf16-mixed", "cpu"), ("16-mixed", "cuda")])
def test_other_precisions_pass(precision: str, device: str) -> None:
    assert check_precision(precision, torch.device(device)) is None


@pytest.mark.parametrize(
    ("flags", "device", "expected"),
    [
        ("avx2 avx512_bf16", "cpu", "bf16-mixed"),
        ("avx2 avx512f", "cpu", "32-true"),
        ("", "cuda", "16-mixed"),
    ],
)
def test_auto_is_the_fastest_precision(flags: str, device: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"flags\t\t: {flags}\n")
    assert choose_precision("auto", torch.device(device)) == expected
    assert choose_precision("32-true", torch.device(device)) == "32-true"


def test_auto_does_not_guess_where_units_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert choose_precision("auto", torch.device("cpu")) == "32-true"
    assert not slow_bfloat16("bf16-mixed", torch.device("cpu"))


def test_a_gpu_is_taken_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match=r"trainer\.accelerator=gpu"):
        choose_device("gpu")
    with pytest.raises(UserError, match=r"^device=gpu: .*use device=cpu"):
        choose_device("gpu", field="device")
    with pytest.raises(UserError, match="device=cuda: no such option"):
        choose_device("cuda", field="device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert choose_device("auto") == choose_device("gpu") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


BF16, CPU = "bf16-mixed", torch.device("cpu")


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16", "bf16"])
def test_bfloat16_on_a_cpu_with_units_for_it_needs_no_warning(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"flags\t\t: fpu sse {unit} avx2\n")
    assert not slow_bfloat16(BF16, CPU)


@pytest.mark.parametrize("flags", ["fpu sse avx2 avx512f", "fpu avx512_bf160 nobf16 bf16x", ""])
def test_bfloat16_on_a_cpu_without_units_for_it_is_warned_of(flags: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"flags\t\t: {flags}\n")
    assert slow_bfloat16(BF16, CPU)
    assert slow_bfloat16("bf16-true", CPU)
    for precision, device in (("32-true", CPU), ("16-mixed", CPU), (BF16, torch.device("cuda"))):
        assert not slow_bfloat16(precision, device)


def test_nothing_is_said_where_the_cpu_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert not slow_bfloat16(BF16, CPU)
