"""What the networks run on."""

import logging

import torch

from shared.settings import WrongSettings

log = logging.getLogger(__name__)


def placed(asked: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`; raise WrongSettings if that is a GPU and torch can use none."""
    if asked == "cpu":
        return torch.device("cpu")
    try:
        # That a GPU is there says little: PyTorch may be built without code for its generation.
        torch.ones(1, device="cuda")
    except (AssertionError, RuntimeError) as unusable:
        said = f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, says: {unusable}"
        if asked == "cuda":
            raise WrongSettings(
                f"SCRIBE_DIARIZER_DEVICE: is 'cuda', but {said}; give it a GPU, a driver and a torch that suit each "
                "other, or use 'auto' or 'cpu'"
            ) from unusable
        # Without CUDA in it, torch was chosen for a CPU.
        log.log(logging.WARNING if torch.version.cuda else logging.INFO, "speakers are found on the CPU: %s", said)
        return torch.device("cpu")
    return torch.device("cuda")
