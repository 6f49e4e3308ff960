"""The OpenAPI document: what a request's body may hold, taken from the schema of the message itself."""

from typing import Any

from fastapi import FastAPI

from shared.messages import Submit
from shared.transcript import Transcript

ABOUT = """
A recording goes in, a transcript with speakers and captions comes out. This gateway submits the same message as any
publisher of the broker does, and tells the same events.

* Submit with `POST /v1/jobs`, as JSON or as a form with the file.
* Follow with `GET /v1/jobs/{job}/events`, or look now and then at `GET /v1/jobs/{job}`.
* Fetch with `GET /v1/jobs/{job}/transcript?format=srt`.
"""

REFERENCE = "#/components/schemas/{model}"
JSON_EXAMPLES = {
    "the least": {"value": {"source": {"url": "https://example.org/recording.mp3"}}},
    "more": {
        "value": {
            "source": {"url": "https://example.org/talk.mp4", "headers": {"Authorization": "Bearer ..."}},
            "language": "he",
            "priority": "high",
            "num_speakers": 2,
            "webhooks": [{"url": "https://example.org/hook", "events": ["completed", "failed"]}],
            "metadata": {"meeting": 17},
            "idempotency_key": "meeting-17",
        }
    },
}


def _schema(model: type[Submit] | type[Transcript]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the model's schema and those that it refers to."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    return schema, schema.pop("$defs", {})


def _asked(leave_out: set[str]) -> dict[str, Any]:
    properties = {name: each for name, each in SUBMIT["properties"].items() if name not in leave_out}
    required = [name for name in SUBMIT["required"] if name not in {"id", *leave_out}]
    return {**SUBMIT, "title": "Job", "properties": properties, "required": required}


SUBMIT, _SUBMIT_PARTS = _schema(Submit)
TRANSCRIPT, _TRANSCRIPT_PARTS = _schema(Transcript)
PARTS = {**_SUBMIT_PARTS, **_TRANSCRIPT_PARTS}

BODY: dict[str, Any] = {
    "required": True,
    "description": "The fields of the `job.submit` message without `tenant`; `id` is made when it is missing.",
    "content": {
        "application/json": {"schema": _asked({"tenant"}), "examples": JSON_EXAMPLES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "The recording, as it is."},
                    "options": {
                        "type": "string",
                        "description": "JSON, as the other body but without `source`; sent before `file`, it is "
                        "checked before the file is read.",
                        "contentMediaType": "application/json",
                        "contentSchema": _asked({"tenant", "source"}),
                        "examples": ['{"language": "he", "num_speakers": 2}'],
                    },
                },
            },
            "encoding": {"options": {"contentType": "application/json"}},
        },
    },
}

_TEXT = {"schema": {"type": "string"}}
TEXTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript.",
        "content": {
            "application/json": {"schema": TRANSCRIPT},
            "text/plain": _TEXT,
            "application/x-subrip": _TEXT,
            "text/vtt": _TEXT,
        },
    }
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: progress\nid: 4\ndata: {"job": "0199f6a0-5b7c-7d3e-9a51-0d5b8a1c2e3f", '
                '"sequence": 4, "happening": "progress", "at": "2026-01-01T12:00:00Z", "stage": "transcriber", '
                '"part": 0, "fraction": 0.5, "stage_fraction": 0.25}\n\n',
            }
        },
    }
}


class Described(FastAPI):
    """The application, whose OpenAPI document also has the schemas that the bodies refer to."""

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        document = super().openapi()
        document["components"]["schemas"].update(PARTS)
        return document
