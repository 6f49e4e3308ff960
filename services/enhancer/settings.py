"""The enhancer's settings."""

from pydantic import Field

from shared.settings import Settings


class EnhancerSettings(Settings):
    """How far (seconds) a word may lie from its nearest turn, and when a pause or a length ends a paragraph."""

    speaker_reach: float = Field(1.0, ge=0, le=30)
    paragraph_pause: float = Field(2.0, gt=0)
    paragraph_seconds: float = Field(60.0, gt=0)
