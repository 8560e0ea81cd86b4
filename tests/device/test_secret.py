"""The client's secret: made once, private, and never made again in silence."""

import stat
from pathlib import Path

import pytest

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.secret import client_key, create_secret, is_first_use, read_secret, replace_secret
from obclip_cli.errors import UserError


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "secret.key"
    create_secret(path)
    return path


def test_a_secret_is_private_random_and_stays(secret: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    key = read_secret(secret)
    assert len(key) == 32 and read_secret(secret) == key
    create_secret(tmp_path / "other.key")
    assert read_secret(tmp_path / "other.key") != key
    assert key.hex() not in "".join(p.read_text() for p in secret.parent.iterdir() if p != secret)


def test_a_lost_secret_is_not_a_first_use(secret: Path) -> None:
    secret.unlink()
    assert not is_first_use(secret)
    with pytest.raises(UserError, match="is lost"):
        read_secret(secret)
    with pytest.raises(UserError, match="is or was"):
        create_secret(secret)
    assert not secret.exists()


@pytest.mark.parametrize("text", ["", "not hexadecimal", "ab" * 31, "cd" * 32, "\udcff"])
def test_a_damaged_secret_is_refused(secret: Path, text: str) -> None:
    secret.write_text(text, errors="surrogateescape")
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        read_secret(secret)


def test_a_folder_in_its_place_or_a_secret_that_others_can_read_is_refused(secret: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_secret(tmp_path)
    secret.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        read_secret(secret)


def test_another_secret_is_made_only_when_asked_for(secret: Path) -> None:
    before = read_secret(secret)
    secret.unlink()
    replace_secret(secret)
    assert read_secret(secret) != before


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"privacy\.secret_file"):
        create_secret(tmp_path / "file" / "secret.key")


def test_only_keyed_strategies_need_the_secret(tmp_path: Path) -> None:
    for strategy in ("all", "fresh"):
        assert client_key(PrivacyConfig(strategy, secret_file=str(tmp_path / "none.key"))) is None
    for strategy in ("bucket", "dp"):
        with pytest.raises(UserError, match="not been made"):
            client_key(PrivacyConfig(strategy, secret_file=str(tmp_path / "none.key")))
