"""The client's secret is made when it is first needed, and the user is told."""

import typer

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.secret import make_on_first_use


def ensure_secret(privacy: PrivacyConfig) -> None:
    """Make the secret where that has to be done; a lost one stays an error of its reader."""
    if made := make_on_first_use(privacy):
        typer.echo(f"made a client secret in {made}; keep it, for a new one makes new requests tell more", err=True)
