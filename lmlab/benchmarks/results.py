"""The figures of a benchmark as lines of a table, as JSON and as a figure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmlab.benchmarks.measurement import Measurement
from lmlab.errors import UserError
from lmlab.files import shown, write_text
from lmlab.output_paths import is_result

FILE = "benchmark.json"
FIGURE = "benchmark"
_FORMAT = 1
_KEYS = frozenset({"format", "machine", "settings", "measurements"})
_TITLES = {
    "ceiling": "Matrix products",
    "layers": "Layers, forward and backward",
    "step": "The whole step of training",
    "generation": "Generation",
    "tokenizers": "From text to ids",
    "large_text": "Large texts",
    "startup": "Start-up",
}
HEADING = f"{'':35}{'lmlab':>9} {'':8}{'compared with':>28}{'ratio':>8}"
RATIO = "ratio: of the times, the median of neighbours; below 1, lmlab is faster"


def line(measured: Measurement) -> str:
    """Returns a measurement as a line of the table."""
    compared = ratio = ""
    if measured.baseline_value is not None and measured.ratio_of_times is not None:
        compared = f"{_number(measured.baseline_value)} {measured.baseline}"
        ratio = f"{measured.ratio_of_times:.3f}"
    return f"{measured.case:35}{_number(measured.value):>9} {measured.unit:8}{compared:>28}{ratio:>8}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def as_json(machine: dict[str, Any], settings: dict[str, Any], measurements: Sequence[Measurement]) -> str:
    """Returns the text of benchmark.json."""
    content = {
        "format": _FORMAT,
        "machine": machine,
        "settings": settings,
        "measurements": [asdict(measured) for measured in measurements],
    }
    return json.dumps(content, indent=1) + "\n"


def read_measurements(text: str) -> list[Measurement]:
    """Returns the measurements of a benchmark.json."""
    return [Measurement(**measured) for measured in json.loads(text)["measurements"]]


def made_folder(output: Path) -> Path:
    """Makes the folder of the results, if it is not there, and returns it.

    Raises:
        UserError: it cannot be made, or has a benchmark.json of something else, which would be lost.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError("output", output, "is a file", "give a folder") from None
    except OSError as error:
        raise UserError("output", output, f"cannot be made: {error.strerror}", "name another folder") from None
    path = output / FILE
    if path.exists() and not is_result(path, _KEYS):
        problem = f"{shown(path)} is there already and is no result of a benchmark; it would be lost"
        raise UserError("output", output, problem, "name another folder")
    return output


def write_json(
    folder: Path, machine: dict[str, Any], settings: dict[str, Any], measurements: Sequence[Measurement]
) -> None:
    """Writes benchmark.json atomically."""
    write_text(folder / FILE, as_json(machine, settings, measurements))


def write_figure(folder: Path, machine: str, measurements: Iterable[Measurement]) -> tuple[Path, Path]:
    """Writes benchmark.png and benchmark.svg and returns their paths.

    Args:
        folder: in which they are written.
        machine: a sentence on it.
        measurements: a panel is drawn for each part and unit.
    """
    from lmlab.reporting.figures.speeds import Panel, Speed, speed_plot
    from lmlab.reporting.figures.style import save

    panels: dict[tuple[str, str], list[Speed]] = {}
    for one in measurements:
        speed = Speed(one.case, one.value, one.baseline_value, one.ratio_of_times)
        panels.setdefault((one.part, one.unit), []).append(speed)
    drawn = [Panel(_TITLES[part], unit, tuple(speeds)) for (part, unit), speeds in panels.items()]
    return save(speed_plot(drawn, machine=machine), folder, FIGURE)
