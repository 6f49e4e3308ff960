"""The enhancer's settings."""

from pydantic import Field

from shared.settings import Seconds, Settings


class EnhancerSettings(Settings):
    """How far (seconds) a word may lie from its nearest turn, and when a pause or a length ends a paragraph."""

    speaker_reach: float = Field(1.0, ge=0, le=30)
    paragraph_pause: Seconds = 2.0
    paragraph_seconds: Seconds = 60.0
