"""Download MS-COCO 2014 val and check that it is complete; every step resumes where it was interrupted."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from obclip_cli.data.coco import CAPTIONS, IMAGES, check_images, read_captions
from obclip_cli.errors import UserError
from obclip_cli.report.progress import ProgressBar
from obclip_cli.runs import write_bytes

CHUNK = 1 << 20
PATIENCE = 30.0  # seconds without an answer


@dataclass(frozen=True)
class Archive:
    """One file of a release, and what of it is kept: names that begin with `inside`."""

    url: str
    inside: str


@dataclass(frozen=True)
class Release:
    """What belongs to a dataset, by the counts that its site gives; the site publishes no checksums."""

    archives: tuple[Archive, ...]
    images: int
    captions: int


SITE = "http://images.cocodataset.org"
COCO_2014_VAL = Release(
    (
        Archive(f"{SITE}/annotations/annotations_trainval2014.zip", str(CAPTIONS)),
        Archive(f"{SITE}/zips/val2014.zip", f"{IMAGES}/"),
    ),
    images=40_504,
    captions=202_654,
)


def check(root: Path, release: Release = COCO_2014_VAL) -> None:
    """Refuse a folder that is not the whole release.

    Raises:
        UserError: names what is missing, or how many there should be.
    """
    captions = read_captions(root / CAPTIONS)
    names = {name for name, _ in captions}
    counts = {"images": (len(names), release.images), "captions": (len(captions), release.captions)}
    for what, (found, expected) in counts.items():
        if found != expected:
            raise UserError(
                f"{root / CAPTIONS} has {found} {what} instead of {expected}; delete it and download it again"
            )
    check_images(root, sorted(names))
    if empty := [path for path in sorted((root / IMAGES).iterdir()) if path.stat().st_size == 0]:
        raise UserError(f"{empty[0]} is empty; delete it and download it again")


def fetch(root: Path, progress: ProgressBar, release: Release = COCO_2014_VAL) -> None:
    """Download and unpack what is not there yet.

    Archives that lie in `root` already, whole or in part, are used; they are deleted once they are unpacked.

    Raises:
        UserError: the site is out of reach, or an archive is broken.
    """
    for archive in release.archives:
        if _is_unpacked(root, archive, release):
            continue
        path = root / Path(archive.url).name
        if not zipfile.is_zipfile(path):
            download(archive.url, path, progress)
        unpack(path, root, archive.inside, progress)
        path.unlink()


def _is_unpacked(root: Path, archive: Archive, release: Release) -> bool:
    if not archive.inside.endswith("/"):
        return (root / archive.inside).exists()
    return len(list((root / archive.inside).glob("*.jpg"))) == release.images


def download(url: str, path: Path, progress: ProgressBar) -> None:
    """Download one file, resuming a partial one. None of our libraries resumes a plain HTTP download.

    Raises:
        UserError: the site is out of reach, or the connection broke.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.stat().st_size if path.exists() else 0
    try:
        with urlopen(Request(url, headers={"Range": f"bytes={there}-"} if there else {}), timeout=PATIENCE) as answer:
            resumes = answer.status == 206  # a server may send the whole all the same
            there = there if resumes else 0
            size = there + int(answer.headers["Content-Length"])
            advance = progress(path.name, size)
            advance(there)
            with path.open("ab" if resumes else "wb") as file:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
    except HTTPError as error:
        if error.code == 416:  # nothing is left to send: what is there is as long as the whole, and not it
            path.unlink()
            raise UserError(f"{path} was broken and is deleted; type the same command again") from error
        raise UserError(f"{url} cannot be had ({error}); {_by_hand(url, path)}") from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise UserError(f"{url} is out of reach ({getattr(error, 'reason', error)}); {_by_hand(url, path)}") from error
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror}); what is there is kept: type the same command again"
        ) from error
    if (found := path.stat().st_size) != size:
        raise UserError(f"{path} has {found} of {size} bytes: the connection broke; type the same command again")


def _by_hand(url: str, path: Path) -> str:
    return f"type the same command again, or bring {url.rpartition('/')[2]} to {path.parent} by other means"


def unpack(path: Path, root: Path, inside: str, progress: ProgressBar) -> None:
    """The files of an archive whose names begin with `inside`; those of the right size are there already.

    Raises:
        UserError: the archive is broken (every file's own check sum is compared), or does not hold such files.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [entry for entry in archive.infolist() if entry.filename.startswith(inside) and not entry.is_dir()]
            if not wanted or any(".." in Path(entry.filename).parts for entry in wanted):
                raise UserError(f"{path} does not hold {inside}; delete it and type the same command again")
            advance = progress(f"unpacking {path.name}", len(wanted))
            for entry in wanted:
                target = root / entry.filename
                if not target.exists() or target.stat().st_size != entry.file_size:
                    write_bytes(target, archive.read(entry))
                advance(1)
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is broken ({error}); delete it and type the same command again") from error
