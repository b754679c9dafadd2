"""Prepared products, against `torch.nn.functional.linear`."""

from __future__ import annotations

import pytest
import torch

from lmlab.models import products
from lmlab.models.products import PreparedProduct


@pytest.fixture(params=["packed", "small", "torch.addmm"], autouse=True)
def kernel(request, monkeypatch):
    """oneDNN's where this torch has it, what small products take, and what is taken elsewhere."""
    if request.param == "packed":
        monkeypatch.setattr(products, "SMALL", 0)
        monkeypatch.setattr(products, "_SMALL_OF_FEW", 0)
    if request.param == "torch.addmm":
        monkeypatch.setattr(products, "_ONEDNN", None)


EACH_NUMBER_OF_ROWS = pytest.mark.parametrize("rows", [1, 2, 3, 64])


@EACH_NUMBER_OF_ROWS
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_product_is_that_of_a_linear_layer(rows, with_bias, dtype):
    torch.manual_seed(0)
    weight, inputs = torch.randn(11, 7, dtype=dtype), torch.randn(rows, 7, dtype=dtype)
    bias = torch.randn(11, dtype=dtype) if with_bias else None
    found = PreparedProduct(weight, bias)(inputs)
    assert found.dtype == dtype
    torch.testing.assert_close(found, torch.nn.functional.linear(inputs, weight, bias))


def test_one_product_is_for_any_number_of_rows():
    torch.manual_seed(0)
    weight, bias = torch.randn(11, 7), torch.randn(11)
    product = PreparedProduct(weight, bias)
    for rows in (1, 64, 2, 5, 1):
        inputs = torch.randn(rows, 7)
        torch.testing.assert_close(product(inputs), torch.nn.functional.linear(inputs, weight, bias))


@EACH_NUMBER_OF_ROWS
@pytest.mark.parametrize("with_bias", [True, False])
def test_what_is_returned_may_be_changed(rows, with_bias):
    torch.manual_seed(0)
    weight, bias, inputs = torch.randn(11, 7), torch.randn(11), torch.randn(rows, 7)
    before = weight.clone(), bias.clone(), inputs.clone()
    product = PreparedProduct(weight, bias if with_bias else None)
    first = product(inputs)
    kept = first.clone()
    first.zero_()
    assert torch.equal(product(inputs), kept)
    assert all(map(torch.equal, (weight, bias, inputs), before))


@EACH_NUMBER_OF_ROWS
def test_bfloat16_rounds_the_factors_and_their_product(rows):
    torch.manual_seed(0)
    weight, bias, inputs = torch.randn(11, 64), torch.randn(11), torch.randn(rows, 64)
    found = PreparedProduct(weight, bias, bfloat16=True)(inputs)
    exact = torch.nn.functional.linear(inputs.bfloat16().double(), weight.bfloat16().double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found - bias, exact.float(), rtol=2**-8, atol=1e-5)
    assert not torch.allclose(found, torch.nn.functional.linear(inputs, weight, bias), rtol=1e-5)
