"""lmlab: a lab bench for recurrent language models.

`lmlab.load(run)` gives a trained model from its folder; the commands are `python -m lmlab.train`, `lmlab.evaluate`,
`lmlab.generate` and `lmlab.benchmark`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Read by OpenMP when torch is loaded. Its threads by default wait for each other by spinning, which costs many times
# the work itself as soon as another program wants one of the cores: measured on 2 cores with one more busy process,
# a step of a GRU took 3.6 s instead of 0.06 s. Waiting briefly and then sleeping costs nothing on an idle machine.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from lmlab.trained import TrainedModel, load

__all__ = ["TrainedModel", "load"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import; configuration errors should not wait for it.
    if name in __all__:
        from lmlab import trained

        return getattr(trained, name)
    raise AttributeError(f"module 'lmlab' has no attribute {name!r}")
