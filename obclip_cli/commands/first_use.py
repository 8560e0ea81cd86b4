"""The client's secret is made when it is first needed, and the user is told."""

import typer

from obclip_cli.config import KEYED, PrivacyConfig
from obclip_cli.device.secret import create_secret, is_first_use, secret_path


def ensure_secret(privacy: PrivacyConfig) -> None:
    """Make the secret if the strategy needs one and there never was one; a lost one stays an error of whoever reads it.

    Raises:
        UserError: it cannot be written.
    """
    path = secret_path(privacy)
    if privacy.strategy in KEYED and is_first_use(path):
        create_secret(path)
        typer.echo(f"made a client secret in {path}; keep it, for a new one makes new requests tell more", err=True)
