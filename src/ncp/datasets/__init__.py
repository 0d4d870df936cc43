"""Where tables come from: published files, checked, converted and kept."""

from ncp.datasets.store import NAMES, Stored, fetch_tables, import_folder, load_table, stored

__all__ = ["NAMES", "Stored", "fetch_tables", "import_folder", "load_table", "stored"]
