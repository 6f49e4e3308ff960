"""Sealing: what a job's source keeps to itself."""

import re

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from services.downloader.settings import DownloaderSettings
from shared.options import Source
from shared.seal import Seal, WrongSealKey, shown
from shared.settings import WrongSettings, load

SOURCE = Source(url="https://host.test/a.wav?signature=s3cret#part", headers={"Authorization": "Bearer t0ken"})


def new_seal() -> Seal:
    """Return a seal with a key of its own."""
    return Seal(SecretStr(Fernet.generate_key().decode()))


def test_a_sealed_source_opens_whole_with_its_key_only() -> None:
    """The token shows nothing; the key gives everything back; another key is told apart from a bug."""
    seal = new_seal()
    token = seal.seal(SOURCE)
    assert "s3cret" not in token
    assert seal.open(token) == SOURCE
    with pytest.raises(WrongSealKey, match="SCRIBE_SEAL_KEY"):
        new_seal().open(token)


def test_a_source_of_another_version_is_refused_without_being_told() -> None:
    """The refusal is logged, parked and shown to whoever asks for the job: it says what is wrong, and no more."""
    seal = new_seal()
    older = Source.model_construct(url="ftp://host.test/a.wav?signature=s3cret", object="none", headers=SOURCE.headers)
    with pytest.raises(ValidationError, match="must be an http:// or https:// address") as wrong:
        seal.open(seal.seal(older))
    assert not {"s3cret", "t0ken"} & set(re.findall(r"\w+", str(wrong.value)))


def test_what_is_shown_of_a_source_has_no_secret() -> None:
    """Neither query nor fragment nor header remains; an upload has none of them and stays as it is."""
    assert shown(SOURCE) == Source(url="https://host.test/a.wav")
    upload = Source(object="uploads/acme/a.wav")
    assert shown(upload) == upload


def test_a_key_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and does not show the key."""
    monkeypatch.setenv("SCRIBE_SEAL_KEY", "too-short")
    with pytest.raises(WrongSettings, match="SCRIBE_SEAL_KEY: must be 32 random bytes") as wrong:
        load(DownloaderSettings)
    assert "too-short" not in str(wrong.value)
