"""Errors of the storage room."""


class StorageError(Exception):
    """Something could not be kept or read; the message says where and why."""
