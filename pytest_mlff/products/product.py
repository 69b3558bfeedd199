"""What a product is, and how it is made once for all processes and runs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_mlff.store import DamagedEntryError, digest_of

if TYPE_CHECKING:
    from pytest_mlff.products.forms import Form
    from pytest_mlff.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A place in the store and what lies there; the key names all that the value depends on."""

    kind: str
    key: Mapping[str, Any]
    form: Form[T]

    def folder(self, store: Store) -> Path:
        """Where the files of a `FOLDER` lie, and what an interrupted attempt has left."""
        return store.path(self.kind, self.key, "")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.kind}/{digest_of(self.key)[:12]}"


@dataclass(frozen=True)
class Product(Entry[T]):
    """Something expensive, with the way to make it.

    Where files of an earlier attempt lie in the product's folder, that attempt was interrupted, and
    ``make`` may go on with it. ``doubt`` says what speaks against a stored value; None if nothing.
    """

    make: Callable[[], T]
    doubt: Callable[[T], str | None] | None = None


def once(store: Store, product: Product[T]) -> T:
    """Take a product from the store, or make it and keep it.

    Processes that want the same product wait for the one that makes it. An entry that is
    damaged, or that the product doubts, is made again, with one warning.
    """
    with store.lock(product.kind, product.key):
        wrong: str | None
        try:
            value = _stored(store, product)
            if value is None:
                wrong = None
            else:
                wrong = None if product.doubt is None else product.doubt(value)
                if wrong is None:
                    return value
        except DamagedEntryError as error:
            wrong = str(error)
        if wrong is not None:
            store.tell(f"{product.name} {wrong}; it is computed again")
            # It was finished once, so what is left of it is not an interrupted attempt.
            forget(store, product)
        value = product.make()
        keep(store, product, value)
        return value


def find(store: Store, entry: Entry[T], *, quiet: bool = False) -> T | None:
    """What the store holds; None if that is nothing, or damaged: a warning, unless ``quiet``."""
    try:
        return _stored(store, entry)
    except DamagedEntryError as error:
        if not quiet:
            store.tell(f"{entry.name} {error}; it is not used")
        return None


def keep(store: Store, entry: Entry[T], value: T) -> bool:
    """Put a value into the store; False where that cannot be written."""
    content = entry.form.pack(value, entry.folder(store))
    return store.write(entry.kind, entry.key, entry.form.suffix, content)


def forget(store: Store, entry: Entry[T]) -> None:
    """Remove an entry and its folder, as far as the store lets that happen."""
    shutil.rmtree(entry.folder(store), ignore_errors=True)
    with contextlib.suppress(OSError):
        store.path(entry.kind, entry.key, entry.form.suffix).unlink(missing_ok=True)


def _stored(store: Store, entry: Entry[T]) -> T | None:
    content = store.read(entry.kind, entry.key, entry.form.suffix)
    if content is None:
        return None
    try:
        return entry.form.unpack(content, entry.folder(store))
    except OSError as error:
        raise DamagedEntryError(f"cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, EOFError) as error:
        raise DamagedEntryError(f"makes no sense ({error})") from error
