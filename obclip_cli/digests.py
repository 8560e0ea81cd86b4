"""Digests of files: what a score or a cached statistic depends on, and a name alone does not tell."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

ENDS = 1 << 20  # bytes of either end of a weight file


def digest_of(parts: Iterable[bytes | str]) -> str:
    """Sixteen hexadecimal digits of a sequence of texts or bytes; where one ends and the next begins counts."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big"))
        found.update(content)
    return found.hexdigest()[:16]


def weights_digest(place: Path) -> str:
    """Digest of a model's folder or file by its settings and by the size and both ends of each weight file.

    Training changes every tensor, so that the ends of gigabytes are enough, and a run can ask at once.
    """
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    kept = [path for path in files if path.suffix in (".json", ".safetensors", ".bin", ".pth", ".pt", ".txt")]
    return digest_of(part for path in kept for part in (path.name, str(path.stat().st_size), *_ends(path)))


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(max(0, path.stat().st_size - ENDS))
        return first, file.read()
