"""The Python language reference."""

from __future__ import annotations

from collections.abc import Sequence

from lmlab.data.corpus import Corpus, Document, split_documents
from lmlab.data.sources.base import Source
from lmlab.errors import UserError


class PythonDocs(Source):
    """The Python language reference, as included in the interpreter for `help()`.

    Args:
        split: shares of train, validation and test.
    """

    def __init__(self, *, split: Sequence[float]) -> None:
        self.split = split

    def load(self) -> Corpus:
        """Returns the topics in alphabetical order, split by document.

        Raises:
            UserError: this Python was packaged without the reference.
        """
        try:
            from pydoc_data.topics import topics
        except ImportError:
            remedy = "use a text of your own: data=text data.path=my_text.txt"
            raise UserError("data", "python_docs", "this Python comes without pydoc_data", remedy) from None
        import platform

        documents = [Document(name, topics[name]) for name in sorted(topics)]
        version = platform.python_version()
        where = f"pydoc_data.topics of Python {version}, {len(documents)} topics"
        return Corpus(split_documents(documents, self.split), provenance=(where,))
