"""COCO's download, from a server on this machine that breaks connections."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from obclip_cli.data import coco_download
from obclip_cli.data.coco_download import Archive, Release, check, download, fetch, unpack
from obclip_cli.errors import UserError
from tests.conftest import Run, assert_one_line_error
from tests.data.test_coco import make_coco


def silent(_: str, __: int) -> Callable[[int], None]:
    return lambda amount: None


class Site(ThreadingHTTPServer):
    """Serves `files`, but breaks off after `patience` bytes of an answer.

    Attributes:
        asked: the ranges that clients asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.patience = 1 << 30
        self.resumes = True
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.resumes else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + self.server.patience])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(folder: Path, *parts: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for part in parts:
            for path in sorted((folder / part).rglob("*")):
                archive.write(path, path.relative_to(folder))
    return content.getvalue()


@pytest.fixture
def release(site: Site, tmp_path: Path) -> Release:
    whole = make_coco(tmp_path / "whole", images=5)
    (whole / "annotations" / "instances_val2014.json").write_text("{}")  # comes along, and is not needed
    site.files = {"/annotations.zip": zipped(whole, "annotations"), "/val2014.zip": zipped(whole, "val2014")}
    archives = (
        Archive(f"{site.url}/annotations.zip", "annotations/captions_val2014.json"),
        Archive(f"{site.url}/val2014.zip", "val2014/"),
    )
    return Release(archives, images=5, captions=10)


def test_a_download_that_breaks_goes_on_where_it_stopped(site: Site, release: Release, tmp_path: Path) -> None:
    root = tmp_path / "coco"
    site.patience = 2000
    for _ in range(50):
        try:
            fetch(root, silent, release)
            break
        except UserError as error:
            assert "type the same command again" in str(error)
    check(root, release)
    starts = [int(a.removeprefix("bytes=").removesuffix("-")) if a else 0 for a in site.asked]
    assert starts[:4] == [0, 0, 2000, 4000]  # the annotations fit in one answer, the images do not
    assert not list(root.glob("*.zip")) and not (root / "annotations" / "instances_val2014.json").exists()


def test_what_is_there_is_not_fetched_again(site: Site, release: Release, tmp_path: Path) -> None:
    root = tmp_path / "coco"
    fetch(root, silent, release)
    fetch(root, silent, release)
    assert len(site.asked) == 2
    (root / "val2014" / "COCO_val2014_000000000003.jpg").unlink()
    kept = (root / "val2014" / "COCO_val2014_000000000001.jpg").stat().st_mtime_ns
    with pytest.raises(UserError, match=r"000000000003\.jpg is missing \(1 of 5 images\)"):
        check(root, release)
    fetch(root, silent, release)
    check(root, release)
    assert (root / "val2014" / "COCO_val2014_000000000001.jpg").stat().st_mtime_ns == kept


def test_archives_brought_by_other_means_are_used(site: Site, release: Release, tmp_path: Path) -> None:
    root = tmp_path / "coco"
    root.mkdir()
    for path, content in site.files.items():
        (root / path[1:]).write_bytes(content)
    fetch(root, silent, release)
    check(root, release)
    assert site.asked == []


def test_a_server_that_does_not_resume_sends_the_whole(site: Site, release: Release, tmp_path: Path) -> None:
    site.resumes = False
    (tmp_path / "val2014.zip").write_bytes(b"half of something else")
    download(f"{site.url}/val2014.zip", tmp_path / "val2014.zip", silent)
    assert (tmp_path / "val2014.zip").read_bytes() == site.files["/val2014.zip"]


def test_broken_archives_are_one_line(site: Site, release: Release, tmp_path: Path) -> None:
    path = tmp_path / "val2014.zip"
    path.write_bytes(b"x" * (len(site.files["/val2014.zip"]) + 1))
    with pytest.raises(UserError, match="was broken and is deleted"):
        download(f"{site.url}/val2014.zip", path, silent)
    content = bytearray(site.files["/val2014.zip"])
    content[200:210] = b"0123456789"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"val2014\.zip is broken .*delete it"):
        unpack(path, tmp_path, "val2014/", silent)
    with pytest.raises(UserError, match="404"):
        download(f"{site.url}/nowhere.zip", tmp_path / "nowhere.zip", silent)


def test_the_command_without_a_network_says_what_to_do(
    obclip: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Release((Archive("http://127.0.0.1:9/val2014.zip", "val2014/"),), images=1, captions=1)
    monkeypatch.setattr(coco_download.fetch, "__defaults__", (nowhere,))
    run = obclip("data", "coco", "--root", str(tmp_path))
    assert_one_line_error(run, "127.0.0.1:9", "out of reach", "bring val2014.zip")
    assert_one_line_error(
        obclip("data", "coco", "--root", str(tmp_path), "--check"), "captions_val2014.json is missing"
    )


def test_the_command_reports_a_folder_of_another_size(obclip: Callable[..., Run], tmp_path: Path) -> None:
    run = obclip("data", "coco", "--root", str(make_coco(tmp_path / "small")), "--check")
    assert_one_line_error(run, "captions_val2014.json has 4 images instead of 40504")
