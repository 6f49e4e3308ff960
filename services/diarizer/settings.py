"""What the diarizer can be told."""

from typing import Literal

from pydantic import Field

from shared.models import OFFLINE
from shared.settings import Settings


class DiarizerSettings(Settings):
    """Which pipeline finds the speakers, and how hard it works.

    `diarizer_model` is OFFLINE or a pyannote pipeline by name, such as `pyannote/speaker-diarization-community-1`.
    Threads are for the CPU: more than are really free make it many times slower, because they wait for each other
    spinning (seen: 2 threads on 2 busy cores took over a minute for what one does in 5 s), so raise them only where
    the cores are the diarizer's own. Batches count 10-s windows (segmentation) and voices in windows (embedding);
    a cancelled job stops after one batch. Windows of a batch share their segmentation's first layer, while the layers
    behind it are quickest on few: 186 s took a CPU 7.2, 7.4 and 8.6 s in batches of 8, 16 and 32. Of many voices more
    are of one length and run together: those of 124 s took 3.2 and 2.8 s in batches of 64 and 128. `auto` is a GPU
    that torch can use, or else the CPU; with `cuda` there must be one. Batches that do not fit into its memory are
    halved.
    """

    diarizer_model: str = OFFLINE
    diarizer_threads: int = Field(1, ge=1, le=256)
    diarizer_segmentation_batch: int = Field(16, ge=1, le=1024)
    diarizer_embedding_batch: int = Field(128, ge=1, le=1024)
    diarizer_device: Literal["auto", "cpu", "cuda"] = "auto"
