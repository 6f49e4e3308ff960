"""Uploads: a multipart body read as it comes, its file passed on in pieces and never held whole.

The framework's own form parser would spool the whole file to disk before the handler sees it.
"""

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

OPTIONS_BYTES = 64 * 1024


class BadUpload(Exception):
    """The body is not the form it should be; `field` is the part that is wrong."""

    def __init__(self, field: str, error: str) -> None:
        super().__init__(error)
        self.field, self.error = field, error


class Upload:
    """A form with a `file` part and perhaps an `options` part, in either order."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes], most: int) -> None:
        kind, parameters = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in parameters:
            raise BadUpload("body", "is not multipart/form-data with a boundary")
        self._body, self._most, self._size = body, most, 0
        self._parser = MultipartParser(
            parameters[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
            },
        )
        self._name = self._value = b""
        self._part: str | None = None
        self._pieces: list[bytes] = []
        self.options = b""
        self.filename: str | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the file piece by piece, reading the form to its end; raise BadUpload."""
        async for received in self._body:
            self._feed(received)
            if self._pieces:
                yield b"".join(self._pieces)
                self._pieces.clear()
        if self.filename is None:
            raise BadUpload("file", "is missing: send the recording as the form's part 'file'")

    def _feed(self, received: bytes) -> None:
        try:
            self._parser.write(received)
        except FormParserError as wrong:
            raise BadUpload("body", f"is not a well-formed multipart body: {wrong}") from None

    def _begin(self) -> None:
        self._part = None
        self._name = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        if self._value:
            self._name = self._value = b""
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value

    def _headers_done(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        self._part = parameters.get(b"name", b"").decode(errors="replace")
        if self._part == "file" and self.filename is None:
            self.filename = parameters.get(b"filename", b"recording").decode(errors="replace")
        elif self._part != "options":
            raise BadUpload(self._part or "body", "is not a part of this form; it has 'file' and 'options', once each")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "options":
            self.options += data[start:end]
            if len(self.options) > OPTIONS_BYTES:
                raise BadUpload("options", f"is larger than {OPTIONS_BYTES} bytes")
            return
        self._size += end - start
        if self._size > self._most:
            raise BadUpload("file", f"is larger than {self._most} bytes; SCRIBE_GATEWAY_MAX_UPLOAD can allow more")
        self._pieces.append(data[start:end])
