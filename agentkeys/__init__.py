"""Temporary S3 credentials for programs, each confined to its own user."""

__version__ = "0.1.0"
