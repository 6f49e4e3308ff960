"""Models from the Hugging Face hub, by repository id."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download

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
    names = [file.rfilename for file in found.siblings or ()]
    if MARKS.isdisjoint(names):
        raise SourceFailed(f"hub: '{repository}' holds neither a CTranslate2 Whisper nor a pyannote checkpoint")
    _cleared(into, f"{found.sha}")
    # One by one: `snapshot_download` has them listed once more, with no time limit, and where that fails it takes
    # what an earlier try left in the folder for all there is.
    for name in (name for name in names if any(fnmatch(name, kept) for kept in KEPT)):
        hf_hub_download(repository, name, revision=found.sha, local_dir=into)
    shutil.rmtree(into / ".cache", ignore_errors=True)


def _cleared(into: Path, commit: str) -> None:
    """Empty the folder unless what an earlier try left there is of this commit; a model is never made of two."""
    mark = into / ".cache" / "commit"
    if not mark.is_file() or mark.read_text() != commit:
        shutil.rmtree(into)
        mark.parent.mkdir(parents=True)
        mark.write_text(commit)
