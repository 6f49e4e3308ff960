"""What the mesh knows of languages: those that Whisper has a token for, and how their scripts part sentences."""

from collections.abc import Iterable

WHISPER_LANGUAGES = frozenset(
    [
        "af",
        "am",
        "ar",
        "as",
        "az",
        "ba",
        "be",
        "bg",
        "bn",
        "bo",
        "br",
        "bs",
        "ca",
        "cs",
        "cy",
        "da",
        "de",
        "el",
        "en",
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fo",
        "fr",
        "gl",
        "gu",
        "ha",
        "haw",
        "he",
        "hi",
        "hr",
        "ht",
        "hu",
        "hy",
        "id",
        "is",
        "it",
        "ja",
        "jw",
        "ka",
        "kk",
        "km",
        "kn",
        "ko",
        "la",
        "lb",
        "ln",
        "lo",
        "lt",
        "lv",
        "mg",
        "mi",
        "mk",
        "ml",
        "mn",
        "mr",
        "ms",
        "mt",
        "my",
        "ne",
        "nl",
        "nn",
        "no",
        "oc",
        "pa",
        "pl",
        "ps",
        "pt",
        "ro",
        "ru",
        "sa",
        "sd",
        "si",
        "sk",
        "sl",
        "sn",
        "so",
        "sq",
        "sr",
        "su",
        "sv",
        "sw",
        "ta",
        "te",
        "tg",
        "th",
        "tk",
        "tl",
        "tr",
        "tt",
        "uk",
        "ur",
        "uz",
        "vi",
        "yi",
        "yo",
        "zh",
        "yue",
    ]
)
"""By ISO 639 code. Source: the language tokens of the published Whisper vocabulary; a test compares them."""

SENTENCE_ENDS = tuple(".?!…。？！؟۔।॥։׃።፧။។༎།")  # noqa: RUF001 - other scripts' full stops are what is meant
"""Also those of Arabic, Urdu, the scripts of India, Armenian, Hebrew, Amharic, Burmese, Khmer and Tibetan."""

CLOSERS = "\"'”’“»«)]」』）】》〉״"  # noqa: RUF001 - quotes and brackets of all scripts are what is meant
"""Also those of German, Chinese and Japanese, and the gershayim that Hebrew closes a quote with."""


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with the text, closing quotes and brackets aside."""
    return text.rstrip().rstrip(CLOSERS).endswith(SENTENCE_ENDS)


def joined(texts: Iterable[str]) -> str:
    """Return sentences as one text, a space between two unless both are Chinese or Japanese, which have none."""
    whole = ""
    for text in filter(None, texts):
        apart = whole and not (_ideographic(whole[-1]) and _ideographic(text[0]))
        whole += f" {text}" if apart else text
    return whole


def _ideographic(letter: str) -> bool:
    """Whether it is Chinese or Japanese: Unicode's blocks from CJK radicals to ideographs, and of full width."""
    return "\u2e80" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or "\uff01" <= letter <= "\uff9f"
