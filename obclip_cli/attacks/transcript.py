"""What the server recorded of its clients; a run keeps it in a file of its own, apart from the truth."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from obclip_cli.prompts.taxonomy import Values
from obclip_cli.protocol import CloudRequest
from obclip_cli.runs import write_bytes

FILE = "transcripts.jsonl.gz"


@dataclass(frozen=True)
class Exchange:
    """One request and what followed. The server made the response itself, so only its fate is kept.

    Attributes:
        message: the request as it came.
        bytes_down: size of what the client downloaded; None where the exchange was not answered for real.
        rows_down: which rows of the response those were.
        work_seconds: how long the server worked on the whole response.
        stay_seconds: how long the client stayed for it.
    """

    message: bytes
    bytes_down: int | None = None
    rows_down: tuple[int, ...] | None = None
    work_seconds: float | None = None
    stay_seconds: float | None = None

    @cached_property
    def request(self) -> CloudRequest:
        return CloudRequest.from_bytes(self.message)

    @property
    def prompts(self) -> tuple[str, ...]:
        """S, as it was sent."""
        return self.request.candidates


@dataclass(frozen=True)
class Transcript:
    """One request to make a guess about, and all earlier ones of the same client.

    Attributes:
        candidates: P, the N prompts that the observed one may have been. The same list whichever it was; the guesser
            is handed it even where the request itself does not tell it.
        attributes: what those prompts state, one name a slot.
        values: each candidate's values of them.
        published: the finished image, which the user showed to everybody, as JPEG; None where it was kept.
    """

    candidates: tuple[str, ...]
    attributes: tuple[str, ...]
    values: tuple[Values, ...]
    seen: Exchange
    past: tuple[Exchange, ...] = ()
    published: bytes | None = None

    @property
    def n(self) -> int:
        """N."""
        return len(self.candidates)


def write_transcripts(folder: Path, transcripts: Iterable[Transcript]) -> None:
    """One line of JSON a transcript, compressed: clients say much the same again and again."""
    lines = "".join(json.dumps(asdict(transcript), default=_base64) + "\n" for transcript in transcripts)
    write_bytes(folder / FILE, gzip.compress(lines.encode(), mtime=0))


def read_transcripts(folder: Path) -> list[Transcript]:
    """The transcripts of a run."""
    lines = gzip.decompress((folder / FILE).read_bytes()).decode().splitlines()
    return [_from_json(json.loads(line)) for line in lines]


def _base64(message: bytes) -> str:
    return base64.b64encode(message).decode()


def _from_json(values: dict[str, Any]) -> Transcript:
    return Transcript(
        candidates=tuple(values["candidates"]),
        attributes=tuple(values["attributes"]),
        values=tuple(tuple(row) for row in values["values"]),
        seen=_exchange(values["seen"]),
        past=tuple(_exchange(exchange) for exchange in values["past"]),
        published=None if values["published"] is None else base64.b64decode(values["published"]),
    )


def _exchange(values: dict[str, Any]) -> Exchange:
    rows = values["rows_down"]
    values["rows_down"] = None if rows is None else tuple(rows)
    return Exchange(**values | {"message": base64.b64decode(values["message"])})
