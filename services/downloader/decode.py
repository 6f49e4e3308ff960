"""Decoding: any container that FFmpeg reads, through PyAV, becomes 16 kHz mono s16 samples in a file, bit by bit.

A recording may be a playlist in disguise, and FFmpeg would open what it names. The choice of a single protocol that
does not exist forbids every address and every file; the recording itself comes from a file object, which needs none.
FFmpeg decodes a picture of each stream, to learn when it begins; that of a 2 MB cover could take 2 GB, so its pixels
are limited.

Damage is survived: a packet that cannot be decoded is left out. Gaps in the timestamps become silence, so that the
times of the samples stay the times of the recording.
"""

from collections.abc import Callable

import av
from av.error import FFmpegError

from services.downloader.stated import Readable
from services.downloader.track import Sound, Track, Writable
from shared.mesh.outcomes import GiveUp

MP4_BEGINS = frozenset({b"ftyp", b"mdat", b"wide", b"free", b"skip"})
"""The first box of an MP4 or QuickTime file (ISO/IEC 14496-12), when it is not the index itself."""

GUARDED = {"protocol_whitelist": "none", "max_pixels": str(2**24)}
"""A picture in 5K still has fewer pixels."""


def decode(
    source: Readable, pcm: Writable, longest: float, check: Callable[[], None], told: Callable[[int], None]
) -> Sound:
    """Write the first audio stream of `source` to `pcm` as s16le, mono, 16 kHz. Blocks.

    Memory holds a second of sound. `check` may raise between packets, `told` hears the place up to which `source` is
    read. Raises GiveUp if there is nothing to hear or more than `longest` seconds of it, whatever the header says.
    """
    source.seek(0)
    try:
        container = av.open(source, "r", options=GUARDED, metadata_errors="ignore")
    except FFmpegError as unreadable:
        raise GiveUp(
            f"the recording is in no format that can be read ({unreadable.strerror}){_perhaps_cut_off(source)}"
        ) from unreadable
    with container:
        if not container.streams.audio:
            raise GiveUp(f"the recording ({container.format.long_name}) has no audio stream")
        track = Track(container, pcm, longest)
        for packet in track.packets():
            check()
            track.take(packet)
            told(source.tell())
        return track.finish(source)


def _perhaps_cut_off(source: Readable) -> str:
    source.seek(0)
    if source.read(8)[4:] not in MP4_BEGINS:
        return ""
    return "; it begins as MP4 does, so it may have been cut off: such files often have their index (moov) at the end"
