"""What only the owner of this machine's mesh may read: its keys, made once, and files that hold a secret."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def keys(file: Path) -> dict[str, str]:
    """Return the `SCRIBE_*` keys in the file (NAME=value lines), making it the first time."""
    if not file.exists():
        made = {"SCRIBE_SEAL_KEY": Fernet.generate_key().decode(), "SCRIBE_SIGNING_KEY": secrets.token_hex(32)}
        keep(file, "".join(f"{name}={value}\n" for name, value in made.items()))
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line)


def keep(file: Path, text: str) -> None:
    """Write the file whole or not at all, mode 0600: a full disk must not leave one that is there and says nothing."""
    arriving = file.with_name(f"{file.name}.new")
    with open(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123 - born with its mode
        out.write(text)
    arriving.replace(file)
