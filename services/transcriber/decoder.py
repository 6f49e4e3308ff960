"""What the batches are given to: whatever decodes windows that were made ready for it."""

from collections.abc import Hashable, Sequence
from typing import Protocol, Self, TypeVar

from services.transcriber.doubt import Doubt
from services.transcriber.speech import Window
from shared.transcript import Segment

Text = tuple[Segment, ...]


class Ready(Protocol):
    """A window made ready for a model; those of one `kind` may share a call."""

    @property
    def window(self) -> Window: ...  # noqa: D102 - the class says it

    @property
    def kind(self) -> Hashable: ...  # noqa: D102 - as above

    @property
    def per_whole(self) -> int:
        """How many windows of this length take no longer together than one whole window does."""

    def whole(self) -> Self | None:
        """Return the window with all that a model can see of it, or None if it has that already."""


R = TypeVar("R", bound=Ready)
R_contra = TypeVar("R_contra", bound=Ready, contravariant=True)


class Decoder(Protocol[R_contra]):
    """What decodes windows; both methods block, and run on several threads at once."""

    def together(self, batch: Sequence[R_contra]) -> Sequence[Text | Doubt]:
        """Return what is said in each window, or why its text is not to be believed."""

    def alone(self, ready: R_contra) -> Text:
        """Return what is said in one window, with all the care there is."""


TOO_LITTLE_MEMORY = ("out of memory", "alloc_failed", "cudaerrorinvaliddevice")
"""How CTranslate2, CUDA and cuBLAS say that a batch does not fit, in small letters.

CTranslate2 4.8 says "parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal" on a full GPU, in turn with
"out of memory" for one and the same call: so the authors of TranscriptionSuite measured with 4.8.2. Whatever else that
may mean was there when the model was loaded, and showed then (`trial.rehearse`).
"""


def too_large(failure: Exception) -> bool:
    """Whether a batch failed because it does not fit into memory."""
    said = str(failure).lower()
    return isinstance(failure, MemoryError) or any(words in said for words in TOO_LITTLE_MEMORY)
