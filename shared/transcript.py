"""What the stages make: the typed outputs that pass from one to the next, and the one result document.

All times are seconds from the start of the recording, as floats.
"""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SAMPLE_RATE = 16_000
"""Hz of the prepared audio: what Whisper and pyannote both take."""


class Shape(BaseModel):
    """A frozen document that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(Shape):
    """What a step made; `warnings` join the job's, `facts()` join the job document."""

    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return what the job document itself must know of this output."""
        return {}


class Span(Shape):
    """A stretch of the recording."""

    start: float
    end: float


class Chunk(Span):
    """A span cut at silence: one step of the transcriber. `windows` are its stretches of speech, each up to 30 s."""

    index: int
    windows: tuple[Span, ...]


class Cut(Output):
    """The first chunks of a recording, and the prefix under which its sound lies in slices (`shared.pcm`).

    `digests` are those of the chunks that were announced before the recording was wholly prepared: of each chunk's
    place, its windows and its sound.
    """

    pcm: str
    chunks: tuple[Chunk, ...]
    digests: tuple[str, ...] = ()


class Prepared(Cut):
    """The downloader's output: where the artefacts lie, `pcm` being a prefix, and how all of the recording is cut."""

    original: str
    sha256: str
    bytes: int
    duration: float

    def facts(self) -> dict[str, Any]:
        """Return the recording's duration and its number of chunks."""
        return {"duration": self.duration, "chunks": len(self.chunks)}


class Word(Span):
    """One word as the model wrote it (leading space kept in `text`), its probability (0 to 1) and its speaker."""

    text: str
    probability: float
    speaker: str | None = None


class Segment(Span):
    """A run of words with one speaker; `words` is empty when the job asked for none."""

    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    average_log_probability: float | None = None
    no_speech_probability: float | None = None


class Redone(Span):
    """A window that was decoded again, and why its text was not believed; one that was twice is there twice."""

    reason: str


class ChunkText(Output):
    """The transcriber's output for one chunk; `redone` are the windows that were decoded again, in order of start."""

    index: int
    language: str
    language_probability: float
    segments: tuple[Segment, ...]
    model: str
    versions: dict[str, str] = Field(default_factory=dict)
    # Left out where there is none: such an output is no larger for it, and whoever does not know the field reads it.
    redone: tuple[Redone, ...] = Field((), exclude_if=lambda redone: not redone)

    def facts(self) -> dict[str, Any]:
        """Return the recording's language: the first chunk to commit decides it."""
        return {"language": self.language, "language_probability": self.language_probability}


class Turn(Span):
    """A stretch in which one speaker talks; turns of several speakers may overlap."""

    speaker: str


class Diarization(Output):
    """The diarizer's output: who speaks when, in order of start."""

    turns: tuple[Turn, ...] = ()
    model: str = ""
    versions: dict[str, str] = Field(default_factory=dict)


class HeardPiece(Output):
    """What the diarizer heard in one piece of a long recording: the key of the object that holds it."""

    heard: str


class Speaker(Shape):
    """A voice of the recording and the seconds it talks."""

    label: str
    talk_time: float


class Paragraph(Span):
    """Consecutive segments of one speaker, by index, read as one piece of text."""

    speaker: str | None
    text: str
    segments: tuple[int, ...]


class Transcript(Shape):
    """The one result document of a job; captions and plain text are rendered from it.

    `partial` marks what is left of a job that failed or was cancelled: some chunks, without speakers.
    """

    job: str
    partial: bool = False
    text: str
    language: str | None
    language_probability: float | None
    duration: float
    segments: tuple[Segment, ...]
    paragraphs: tuple[Paragraph, ...]
    speakers: tuple[Speaker, ...]
    warnings: tuple[str, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)


class Form(StrEnum):
    """A format that a transcript can be had in."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"


class Published(Output):
    """The enhancer's output: where the result document lies in the object store, and its size in words and voices."""

    transcript: str
    words: int
    speakers: int

    def facts(self) -> dict[str, Any]:
        """Return the result's key and its counts."""
        return {"transcript": self.transcript, "words": self.words, "speakers": self.speakers}


class Delivered(Output):
    """The notifier's output: the HTTP status with which the webhook's target, told as its origin, took the event."""

    url: str
    status: int
