"""Error messages about data; they are the package's own."""

from ..errors import DataError, listed, nearest, one_line

__all__ = ["DataError", "listed", "nearest", "one_line"]
