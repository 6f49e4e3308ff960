"""Uploads: a multipart body read as it comes, its file passed on in pieces and never held whole.

The framework's own form parser would spool the whole file to disk before the handler sees it.
"""

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.gateway.body import BadUpload, TooLarge
from shared.messages import SUBMIT_BYTES

FORM_BYTES = SUBMIT_BYTES + 64 * 1024
"""What a form may add to its file: the options and the headers of both parts."""

PARTS = ("file", "options")


class Upload:
    """A form with a `file` part and perhaps an `options` part, once each, in either order.

    `filename` and `options` hold what has been read so far. Raises BadUpload for anything that is no such form, and
    TooLarge at once if the announced `length` of the body, in bytes, cannot fit.
    """

    def __init__(self, content_type: str, length: int, body: AsyncIterator[bytes], most: int) -> None:
        kind, parameters = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not parameters.get(b"boundary"):
            raise BadUpload("body", "is not multipart/form-data with a boundary")
        self._body, self._most, self._size = body, most, 0
        if length > most + FORM_BYTES:
            raise self._file_too_large()
        self._parser = MultipartParser(
            parameters[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_done,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )
        self._begin()
        self._seen: list[str] = []
        self._pieces: list[bytes] = []
        self._ended = False
        self.options = b""
        self.filename = ""

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the file piece by piece, reading the form to its end; raise BadUpload."""
        async for received in self._body:
            self._feed(received)
            if self._pieces:
                yield b"".join(self._pieces)
                self._pieces.clear()
        if not self._ended:
            raise BadUpload("body", "breaks off before the form's last boundary; send it again")
        if "file" not in self._seen:
            raise BadUpload("file", "is missing: send the recording as the form's part 'file'")

    def _feed(self, received: bytes) -> None:
        try:
            self._parser.write(received)
        except FormParserError as wrong:
            raise BadUpload("body", f"is not a well-formed multipart body: {wrong}") from None

    def _begin(self) -> None:
        self._name = self._value = self._disposition = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_done(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_done(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        part = parameters.get(b"name", b"").decode(errors="replace")
        if part not in PARTS or part in self._seen:
            raise BadUpload(part or "body", "is not a part of this form; it has 'file' and 'options', once each")
        if part == "file":
            self.filename = parameters.get(b"filename", b"").decode(errors="replace")
        self._seen.append(part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._seen[-1] == "options":
            self.options += data[start:end]
            if len(self.options) > SUBMIT_BYTES:
                raise TooLarge("options", SUBMIT_BYTES)
            return
        self._size += end - start
        if self._size > self._most:
            raise self._file_too_large()
        self._pieces.append(data[start:end])

    def _end(self) -> None:
        self._ended = True

    def _file_too_large(self) -> TooLarge:
        return TooLarge("file", self._most, "; SCRIBE_GATEWAY_MAX_UPLOAD can allow more")


async def led_by(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield `first` and then the rest."""
    yield first
    async for piece in rest:
        yield piece
