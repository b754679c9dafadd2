"""Conformance checks for custom components, to be called from their tests.

Each function takes a component (or what makes one), tries it, and raises an `AssertionError` that names the violated
requirement and what was found. Modules stay as they are, and the global random generators are restored afterwards:

    from lmlab.testing import check_core

    def test_core():
        check_core(MyCore(input_size=5, hidden_size=7))
"""

from __future__ import annotations

from lmlab.testing.cores import check_core
from lmlab.testing.decoders import check_decoder
from lmlab.testing.embeddings import check_embedding
from lmlab.testing.loaders import check_loader
from lmlab.testing.metrics import check_metric
from lmlab.testing.optimizers import check_optimizer
from lmlab.testing.schedulers import check_scheduler
from lmlab.testing.sources import check_source
from lmlab.testing.tokenizers import check_tokenizer

__all__ = [
    "check_core",
    "check_decoder",
    "check_embedding",
    "check_loader",
    "check_metric",
    "check_optimizer",
    "check_scheduler",
    "check_source",
    "check_tokenizer",
]
