"""glove.6B for those who name no file of vectors: from the cache, or downloaded when they agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lmlab.config.settings import TrainSettings
from lmlab.data.cache import cache_folder
from lmlab.data.catalogue import GLOVE as GLOVE_FILE
from lmlab.data.download import fetch
from lmlab.data.vector_dimension import vector_dimension
from lmlab.errors import UserError
from lmlab.files import expanded

GLOVE = "lmlab.models.embedding.GloveVectors"
GLOVE_DIMENSIONS = (50, 100, 200, 300)


def dimension_words(words: Sequence[str]) -> list[str]:
    """Returns the setting of the vectors' dimension where a file is named without one; empty where that is not so.

    A preset's dimension would not fit every file; and every job of a sweep has the file's, those with random vectors
    too, so that they can be compared.

    Args:
        words: of a command line, as typed.
    """
    typed = {key.lstrip("+"): value for key, found, value in (word.partition("=") for word in words) if found}
    path = typed.get("embedding.path")
    if not path or "embedding.dim" in typed:
        return []
    dim = vector_dimension(expanded(path.strip("'\"")), None)
    return [] if dim is None else [f"embedding.dim={dim}"]


def obtain_vectors(settings: TrainSettings) -> None:
    """Sets `embedding.path` (and `embedding.dim`) where GloVe is chosen without a file.

    Raises:
        UserError: it is not there and may not, or cannot, be downloaded.
    """
    embedding = settings.embedding
    if embedding.path or embedding.target != GLOVE:
        return
    folder = cache_folder() / "vectors"
    if not (folder / GLOVE_FILE.name).is_file() and not _agreed(embedding.download):
        remedy = (
            "embedding.download=true fetches it, or give a GloVe text or zip file: embedding.path=glove.6B.300d.txt"
        )
        raise UserError("embedding", "glove", f"{GLOVE_FILE.name} ({GLOVE_FILE.size}) is not in the cache yet", remedy)
    (path,) = fetch((GLOVE_FILE,), folder, field="embedding", value="glove", instead="embedding.path to a copy")
    embedding.path = str(path.absolute())
    if embedding.dim is None:
        embedding.dim = max(GLOVE_DIMENSIONS)


def _agreed(download: bool | None) -> bool:
    """Whether it may be downloaded; asked where someone can answer."""
    if download is not None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return bool(download)
    print(
        f"Download {GLOVE_FILE.name} ({GLOVE_FILE.size}) from {GLOVE_FILE.url}? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")
