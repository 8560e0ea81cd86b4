"""A stand-in for the Hugging Face hub on this machine: enough of its HTTP interface for downloads to run for real."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants, hf_api

COMMIT = "0" * 39 + "1"


@contextmanager
def serve(repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[list[str]]:
    """Serve folders as hub repositories, and let huggingface_hub use this server and an empty cache.

    Yields:
        the paths of files asked for so far, as OWNER/NAME/FILE.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            names = parts[2:4] if parts[:2] == ["api", "models"] else parts[:2]
            folder = repositories.get("/".join(names))
            if folder is None:
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif parts[0] == "api":
                self.describe(folder, tree="tree" in parts, revision=parts[5] if len(parts) > 5 else "main")
            elif (path := folder.joinpath(*parts[4:])).is_file():
                asked.append("/".join([*names, *parts[4:]]))
                self.answer(200, path.read_bytes(), {"ETag": f'"{tag(path)}"'})
            else:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

        def describe(self, folder: Path, *, tree: bool, revision: str) -> None:
            if revision not in ("main", COMMIT):
                return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            names = [path.relative_to(folder).as_posix() for path in files]
            listing = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": tag(path)}
                for name, path in zip(names, files, strict=True)
            ]
            about = {"id": "x/y", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            return self.answer(200, json.dumps(listing if tree else about).encode(), {})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"X-Repo-Commit": COMMIT, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    use_hub(f"http://127.0.0.1:{server.server_port}", monkeypatch, cache)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def tag(path: Path) -> str:
    """Every file has a tag of its own that stays the same."""
    return f"{abs(hash(str(path))):040x}"


def use_hub(address: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Point huggingface_hub at an address and at a cache folder of its own."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(hf_api.api, "endpoint", address)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
