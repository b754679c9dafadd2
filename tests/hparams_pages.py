"""What TensorBoard's own code makes of runs: its page HPARAMS, and the groups of its curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

# The page shows so many settings and figures until others are ticked.
NUM_TICKED = 5
_STATUSES = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]


@dataclass(frozen=True)
class Row:
    settings: dict[str, Any]
    figures: dict[str, float]
    is_done: bool


@dataclass(frozen=True)
class Page:
    """The page over a folder.

    Args:
        settings: names of the columns, in their order.
        figures: the same.
        rows: by the name of the run.
    """

    settings: list[str]
    figures: list[str]
    rows: dict[str, Row]

    @property
    def ticked(self) -> list[str]:
        return self.settings[:NUM_TICKED]


def hparams_page(folder: Path) -> Page:
    provider = _provider(folder)
    context = Context(TBContext(data_provider=provider))
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=_STATUSES, slice_size=1000)
    found = list_session_groups.Handler(RequestContext(), context, "", request).run()
    words = {(info.name.tag, info.name.group): info.display_name or info.name.tag for info in experiment.metric_infos}
    rows = {}
    for group in found.session_groups:
        (session,) = group.sessions
        figures = {words[value.name.tag, value.name.group]: value.value for value in group.metric_values}
        settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}
        rows[session.name] = Row(settings, figures, session.status == api_pb2.STATUS_SUCCESS)
    return Page([info.name for info in experiment.hparam_infos], list(words.values()), rows)


def groups_of_curves(folder: Path) -> list[str]:
    """In the order of TensorBoard, which opens the first two."""
    found = _provider(folder).list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
    return sorted({tag.partition("/")[0] for tags in found.values() for tag in tags})


def _provider(folder: Path) -> MultiplexerDataProvider:
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))
