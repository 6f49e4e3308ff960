"""How much is computed at once: as much as is asked for, or what fits into the memory of a GPU that others use too."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from shared.mesh.outcomes import TryLater

log = logging.getLogger(__name__)

ROOM_SECONDS = 60.0
"""When there may be room again: what takes it now works on chunks or pieces of minutes."""

T = TypeVar("T")


class Fitting:
    """Work in batches of the given widths, from then on half as wide whenever they do not fit into the GPU's memory."""

    def __init__(self, *widths: int) -> None:
        self._widths = widths

    def run(self, work: Callable[..., T]) -> T:
        """Return what `work` makes, called with the widths, and give the GPU's memory back.

        What does not fit is begun again. Raises TryLater if it does not fit with every width at 1.
        """
        while True:
            try:
                return work(*self._widths)
            except torch.OutOfMemoryError as failure:
                said = str(failure)
            finally:
                # No sooner: as long as the exception lives, so do the tensors that its traceback refers to.
                torch.cuda.empty_cache()
            self._narrow(said)

    def _narrow(self, said: str) -> None:
        if max(self._widths) == 1:
            raise TryLater(f"the GPU's memory is full: {said}", ROOM_SECONDS)
        self._widths = tuple(max(width // 2, 1) for width in self._widths)
        log.warning("batches do not fit into memory, from now on %s: %s", self._widths, said)
