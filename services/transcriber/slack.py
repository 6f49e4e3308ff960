"""How much silence a model must see behind a window, by model: where less than all it can see was measured to do."""

from collections.abc import Mapping

from services.transcriber.ready import FULL_SECONDS

MEASURED: Mapping[str, float] = {"base": 5.0}
"""Seconds at which word errors are those of whole windows, to a point (decision 0015); what is not here is not known,
or does worse: a speed that costs words is not one."""


def seconds_behind(model: str, asked: float | None) -> float:
    """Return the seconds of silence that the model is to see behind a window: those asked for, or those measured."""
    return MEASURED.get(model, FULL_SECONDS) if asked is None else asked
