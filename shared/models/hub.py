"""Models from the Hugging Face hub, by repository id."""

import shutil
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from shared.models.source import SourceFailed

REACH_SECONDS = 5.0
"""How long the hub may take to say that it has the repository: a machine without it must go on at once."""

KEPT = ("*.bin", "*.json", "*.txt", "*.yaml", "*.npz")
"""What Whisper (CTranslate2) and pyannote checkpoints consist of; anything else of a repository stays there."""

MARKS = frozenset({"model.bin", "config.yaml", "pytorch_model.bin"})
"""At least one of these lies at the top of a checkpoint that the mesh can load."""


def from_hub(repository: str, into: Path) -> None:
    """Fetch the repository's newest commit into the folder, going on where an earlier try stopped.

    Raises SourceFailed with one line that says why: not reachable, not there, or no checkpoint of a known kind.
    """
    try:
        _download(repository, into)
    except SourceFailed:
        raise
    except Exception as error:  # its transports (httpx2, xet) raise errors of their own, with no kind in common
        line = next(iter(str(error).splitlines()), "")
        raise SourceFailed(f"hub: '{repository}': {type(error).__name__}: {line[:200]}") from error


def _download(repository: str, into: Path) -> None:
    found = HfApi().model_info(repository, timeout=REACH_SECONDS)
    if MARKS.isdisjoint(file.rfilename for file in found.siblings or ()):
        raise SourceFailed(f"hub: '{repository}' holds neither a CTranslate2 Whisper nor a pyannote checkpoint")
    # A commit is named, so that nothing is asked of the hub again without a time limit.
    snapshot_download(repository, revision=found.sha, local_dir=into, allow_patterns=list(KEPT))
    shutil.rmtree(into / ".cache", ignore_errors=True)
