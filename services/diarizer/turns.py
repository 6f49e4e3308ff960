"""A pipeline's turns as the mesh has them: inside the recording, in order, their speakers named."""

from collections.abc import Iterable, Iterator

from shared.options import Options
from shared.transcript import Turn


def within(turns: Iterable[Turn], duration: float) -> Iterator[Turn]:
    """Yield the turns up to the recording's end, behind which a pipeline hears the silence that fills its window."""
    for turn in turns:
        if turn.start < duration:
            yield turn.model_copy(update={"end": min(turn.end, duration)})


def too_few(options: Options, turns: Iterable[Turn]) -> Iterator[str]:
    """Yield a warning if fewer speakers were found than the job asked for."""
    asked, found = options.num_speakers or options.min_speakers or 1, len({turn.speaker for turn in turns})
    if 0 < found < asked:
        yield f"{found} of {asked} speakers were found: the recording has too little speech that tells them apart"


def named(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the turns in order of start, their speakers called SPEAKER_00 and so on as they are first heard."""
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end))
    heard = dict.fromkeys(turn.speaker for turn in ordered)
    names = {speaker: f"SPEAKER_{number:02d}" for number, speaker in enumerate(heard)}
    return tuple(turn.model_copy(update={"speaker": names[turn.speaker]}) for turn in ordered)
