"""lmlab: a lab bench for recurrent language models.

`lmlab.load(run)` gives a trained model from its folder; the commands are `python -m lmlab.train`, `lmlab.evaluate`,
`lmlab.generate` and `lmlab.benchmark`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmlab.trained import TrainedModel, load

__all__ = ["TrainedModel", "load"]


def __getattr__(name: str) -> Any:
    # torch takes a second to import; configuration errors should not wait for it.
    if name in __all__:
        from lmlab import trained

        return getattr(trained, name)
    raise AttributeError(f"module 'lmlab' has no attribute {name!r}")
