"""States that a core hands on from batch to batch."""

from __future__ import annotations

import pytest
import torch

from lmlab.errors import UserError
from lmlab.models.core import State, initial_state


def fresh(batch_size: int) -> State:
    return torch.full((1, batch_size, 4), 0.5), torch.zeros(2, batch_size)


def test_only_flagged_rows_are_fresh() -> None:
    state = (torch.ones(1, 3, 4), torch.ones(2, 3))
    first, second = initial_state(fresh, state, torch.tensor([False, True, False]))
    assert first[0, :, 0].tolist() == [1.0, 0.5, 1.0]
    assert second[0].tolist() == [1.0, 0.0, 1.0]


def test_a_state_of_other_rows_is_not_used() -> None:
    state = (torch.ones(1, 5, 4), torch.ones(2, 5))
    found = initial_state(fresh, state, torch.zeros(3, dtype=torch.bool))
    assert all(torch.equal(a, b) for a, b in zip(found, fresh(3), strict=True))


@pytest.mark.parametrize(
    "state",
    [(torch.ones(1, 3, 4),), (torch.ones(1, 3, 5), torch.ones(2, 3)), (torch.ones(3, 1, 4), torch.ones(2, 3)), ()],
    ids=["missing", "size", "batch first", "none"],
)
def test_a_state_of_another_form_is_refused(state: State) -> None:
    with pytest.raises(UserError, match=r"forward returned a state of shapes .*, init_state one of"):
        initial_state(fresh, state, torch.zeros(3, dtype=torch.bool))
