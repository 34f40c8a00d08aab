"""Tables as all formats give them: read a file, search its columns."""

from zoo.table.read import TABLE_SUFFIXES, read_table
from zoo.table.search import ColumnSearch
from zoo.table.sheet import DataRow, DataTable

__all__ = ["TABLE_SUFFIXES", "ColumnSearch", "DataRow", "DataTable", "read_table"]
