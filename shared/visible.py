"""Text that others wrote, made fit for a terminal."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}


def visible(text: str) -> str:
    r"""Return the text with each control character but tab and line feed (Unicode's Cc) as `\x` and two digits.

    A terminal obeys them: a publisher's field or a server's answer could rewrite what an operator sees.
    """
    return text.translate(_CONTROLS)
