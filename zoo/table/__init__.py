"""Tables as all formats give them: read a file, search its columns."""

from zoo.table.read import SUFFIXES, read
from zoo.table.search import Search
from zoo.table.sheet import Row, Sheet

__all__ = ["SUFFIXES", "Row", "Search", "Sheet", "read"]
