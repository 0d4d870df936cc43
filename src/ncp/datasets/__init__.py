"""Where tables come from: published files, checked, converted and kept; and files of your own."""

from ncp.datasets.own import Brought, import_file
from ncp.datasets.sources import cache_dir
from ncp.datasets.store import NAMES, Stored, fetch_tables, import_folder, load_table, stored

__all__ = [
    "NAMES",
    "Brought",
    "Stored",
    "cache_dir",
    "fetch_tables",
    "import_file",
    "import_folder",
    "load_table",
    "stored",
]
