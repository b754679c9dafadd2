"""The discounts of Kneser-Ney smoothing, estimated from counts of counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Used if the counts of counts give no valid discounts.
FALLBACK = (0.5, 1.0, 1.5)


def discounts(counts: NDArray[np.int64], *, modified: bool) -> NDArray[np.float64]:
    """Returns the discounts of counts 1, 2, and 3 or more of one order.

    With n_k the number of n-grams that have count k, and Y = n_1 / (n_1 + 2 n_2):

    * plain: Y for every count;
    * modified: D_1 = 1 - 2 Y n_2 / n_1, D_2 = 2 - 3 Y n_3 / n_2, D_3+ = 3 - 4 Y n_4 / n_3.

    All three are replaced by `FALLBACK` (plain: by its first) if n_1 or n_2 is zero (modified: one of n_1 to n_4), or
    if one is outside 0 < D_k <= k, since no count may become negative and a discount of zero could leave no probability
    for unseen tokens. This is common at the lowest order of characters, where hardly any count is small and the
    discounts hardly matter.

    Args:
        counts: (U,) counts of the distinct n-grams, each at least 1.
        modified: three discounts instead of one.

    Returns:
        (3,) discounts.

    Source: Chen and Goodman (1998), An Empirical Study of Smoothing Techniques for Language Modeling, TR-10-98,
    equation 26; the single discount is the Y of that equation. The fallback is not from the paper; KenLM offers these
    three values where its discounts fail (Heafield et al., 2013).
    """
    fallback = np.array(FALLBACK)
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == count)) for count in (1, 2, 3, 4))
    if not modified:
        return np.full(3, n1 / (n1 + 2 * n2) if n1 and n2 else fallback[0])
    if not (n1 and n2 and n3 and n4):
        return fallback
    y = n1 / (n1 + 2 * n2)
    estimated = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    # No discount exceeds its count, because everything subtracted is positive.
    return estimated if (estimated > 0).all() else fallback
