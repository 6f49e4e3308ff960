"""What the campaign tells its service processes, besides what every service is told."""

from pathlib import Path

from pydantic import Field

from shared.settings import Settings


class ChaosSettings(Settings):
    """How long a stand-in engine takes for a window (seconds), and the folder where faults are switched on by files.

    `failpoint` in that folder names the boundary at which one process dies; `twice` makes every step be asked for
    twice; what must never happen is written into `violations`.
    """

    chaos_folder: Path
    chaos_seconds: float = Field(0.02, ge=0)
