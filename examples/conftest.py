"""Makes the examples importable from here, where they are not installed."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / name) for name in ("leaky_core", "my_text")]
