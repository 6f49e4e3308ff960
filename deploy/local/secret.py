"""The keys of this machine's mesh, made once and kept in a file that only its owner reads."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def keys(file: Path) -> dict[str, str]:
    """Return the `SCRIBE_*` keys in the file (NAME=value lines, mode 0600), making it the first time."""
    if not file.exists():
        made = {"SCRIBE_SEAL_KEY": Fernet.generate_key().decode(), "SCRIBE_SIGNING_KEY": secrets.token_hex(32)}
        text = "".join(f"{name}={value}\n" for name, value in made.items())
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:  # noqa: PTH123 - born with its mode
            out.write(text)
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line)
