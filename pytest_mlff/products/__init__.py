"""Products: what is expensive and shared, made once and kept in the store."""

from pytest_mlff.products.forms import ARRAYS, FOLDER, JSON, Files, Form
from pytest_mlff.products.product import Entry, Product, find, forget, keep, once

__all__ = [
    "ARRAYS",
    "FOLDER",
    "JSON",
    "Entry",
    "Files",
    "Form",
    "Product",
    "find",
    "forget",
    "keep",
    "once",
]
