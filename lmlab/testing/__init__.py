"""Checks of parts of your own, to be called in tests of your own: does a part keep what its base class promises?

Each function takes a part (or what makes one), tries it, and raises an `AssertionError` that says which promise is
broken, what was expected and what was found. Modules and the global random generators are left as they were:

    from lmlab.testing import check_core

    def test_core():
        check_core(MyCore(input_size=5, hidden_size=7))
"""

from __future__ import annotations

from lmlab.testing.cores import check_core
from lmlab.testing.decoders import check_decoder
from lmlab.testing.embeddings import check_embedding
from lmlab.testing.loaders import check_loader
from lmlab.testing.optimizers import check_optimizer
from lmlab.testing.schedulers import check_scheduler
from lmlab.testing.sources import check_source
from lmlab.testing.tokenizers import check_tokenizer

__all__ = [
    "check_core",
    "check_decoder",
    "check_embedding",
    "check_loader",
    "check_optimizer",
    "check_scheduler",
    "check_source",
    "check_tokenizer",
]
