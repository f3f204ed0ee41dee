"""Credentials that a user has lying about, and that no client under `exec` may take."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STALE", "stale_home"]

STALE = {
    "AWS_PROFILE": "nobody",
    "AWS_DEFAULT_PROFILE": "nobody",
    "AWS_ACCESS_KEY_ID": "AKIASTALE",
    "AWS_SECRET_ACCESS_KEY": "stale",
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_SESSION_TOKEN": "stale",
    "AWS_CREDENTIAL_EXPIRATION": "never",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/stale",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
}


def stale_home(folder: Path) -> Path:
    """`folder` as a home with keys in both of AWS's files."""
    (folder / ".aws").mkdir()
    keys = "aws_access_key_id = AKIASTALE\naws_secret_access_key = stale\n"
    for name in ("config", "credentials"):
        (folder / ".aws" / name).write_text(f"[default]\n{keys}", encoding="utf-8")
    return folder
