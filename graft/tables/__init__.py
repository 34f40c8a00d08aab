"""Tables as all formats give them: read a file, search its columns."""

from graft.tables.column_search import ColumnSearch
from graft.tables.read import TABLE_SUFFIXES, read_table
from graft.tables.table import DataRow, DataTable

__all__ = ["TABLE_SUFFIXES", "ColumnSearch", "DataRow", "DataTable", "read_table"]
