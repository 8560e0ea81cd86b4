"""The client's secret: 32 random bytes in a file that only its owner reads.

It fixes how candidates are split and drawn. A new secret splits them anew, and a server that remembers both splits
can intersect them; so a secret is made once, and never again unless it is asked for. A marker beside the file
(`<file>.made`, a checksum) remembers that there was one: a file that is missing beside its marker is lost, not new.
"""

import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from obclip_cli.config import KEYED, PrivacyConfig
from obclip_cli.errors import UserError

BYTES = 32


def secret_path(privacy: PrivacyConfig) -> Path:
    """The configured file, or one in the user's folder for configuration, as the system has it."""
    if privacy.secret_file is not None:
        return Path(privacy.secret_file)
    import typer

    return Path(typer.get_app_dir("obclip")) / "secret.key"


def client_key(privacy: PrivacyConfig) -> bytes | None:
    """The secret where the strategy needs one.

    Raises:
        UserError: see `read_secret`.
    """
    return read_secret(secret_path(privacy)) if privacy.strategy in KEYED else None


def is_first_use(path: Path) -> bool:
    """Whether there is no secret and, as far as its folder tells, never was one."""
    return not os.path.lexists(path) and not _marker(path).exists()


def make_on_first_use(privacy: PrivacyConfig) -> Path | None:
    """Make the secret if the strategy needs one and there never was one; its file if it was made now.

    Raises:
        UserError: it cannot be written.
    """
    path = secret_path(privacy)
    if privacy.strategy not in KEYED or not is_first_use(path):
        return None
    create_secret(path)
    return path


def create_secret(path: Path) -> None:
    """Make a secret, readable by its owner only.

    Raises:
        UserError: there is or was one, or the file cannot be written.
    """
    if not is_first_use(path):
        raise UserError(f"there is or was a client secret in {path}; {_advice(path)}")
    _write(path)


def replace_secret(path: Path, *, agreed: bool = False) -> None:
    """Make another secret in the place of one that is lost.

    Args:
        agreed: or of one that is there, which is then gone for good.

    Raises:
        UserError: there is one, or the file cannot be written; then whatever is there stays.
    """
    if os.path.lexists(path) and not agreed:
        raise UserError(
            f"there is a client secret in {path}, and a new one would overwrite it; "
            "type the command in a terminal, which asks, or move the file away first"
        )
    _write(path)


def _write(path: Path) -> None:
    """Write a new secret and its marker; an older file is gone only once the new one is whole."""
    key, partial = secrets.token_bytes(BYTES), path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{key.hex()}\n")
        partial.replace(path)
        _marker(path).write_text(_checksum(key))
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise UserError(
            f"cannot write the client secret to {path} ({error.strerror}); set privacy.secret_file"
        ) from error


def read_secret(path: Path) -> bytes:
    """The secret, (32,) bytes.

    Raises:
        UserError: it was never made, is lost, unreadable, readable by others, or not what was made.
    """
    if not os.path.lexists(path):
        state = "has not been made yet" if is_first_use(path) else "is lost"
        raise UserError(f"the client secret {path} {state}; {_advice(path)}")
    try:
        mode = path.stat().st_mode
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise UserError(f"the client secret {path} cannot be read; {_advice(path)}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(f"the client secret {path} can be read by others; run: chmod 600 {path}")
    if len(key) != BYTES or (_marker(path).exists() and _marker(path).read_text() != _checksum(key)):
        raise UserError(f"the client secret {path} is damaged; {_advice(path)}")
    return key


def _advice(path: Path) -> str:
    named = "" if path == secret_path(PrivacyConfig()) else f" privacy.secret_file={path}"
    return (
        f"restore it from a copy, or make another with `obclip candidates PROMPT{named} --new-secret`, knowing that a "
        "server which remembers earlier requests learns more from new ones"
    )


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.made")


def _checksum(key: bytes) -> str:
    return hashlib.sha256(b"obclip client secret" + key).hexdigest()[:16]
