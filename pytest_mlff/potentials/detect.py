"""Tell what a model file is from its content, without running anything in it.

A pickle can run any code when it is opened. Here it is only *read*: ``pickletools``
walks its opcodes and reports the names and strings that occur, which is enough to
tell a NequIP checkpoint from a MACE model or a text file.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_mlff.errors import MlffError

PICKLE_LIMIT: Final = 64 * 2**20
_TORCH_LEGACY_MAGIC: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

# Family, then what gives it away: roots of dotted Python names, and telling strings.
_FAMILIES: Final[tuple[tuple[str, str, tuple[str, ...], frozenset[str]], ...]] = (
    ("network", "pytest_mlff network", (), frozenset({"pytest_mlff network 1"})),
    ("nequip", "NequIP", ("nequip", "allegro"), frozenset()),
    ("mace", "MACE", ("mace",), frozenset()),
    ("sevennet", "SevenNet", ("sevenn",), frozenset({"E3_equivariant_model"})),
    ("schnetpack", "SchNetPack", ("schnetpack",), frozenset()),
    ("mattersim", "MatterSim", ("mattersim",), frozenset({"m3gnet"})),
    ("orb", "Orb", ("orb_models",), frozenset()),
    ("chgnet", "CHGNet", ("chgnet",), frozenset()),
    ("matgl", "MatGL", ("matgl",), frozenset()),
    ("fairchem", "FAIRChem", ("fairchem", "ocpmodels"), frozenset()),
    ("deepmd", "DeePMD", ("deepmd",), frozenset()),
)
FAMILY_NAMES: Final = {family: title for family, title, _, _ in _FAMILIES}


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes
    ----------
    path : Path
        The file.
    format : str
        ``torch-package``, ``aotinductor``, ``torchscript``, ``lightning``, ``torch-zip``,
        ``torch-legacy``, ``pickle``, ``zip``, ``hdf5``, ``numpy``, ``text``, ``empty``,
        ``truncated-zip`` or ``unknown``.
    family : str or None
        Model family whose names occur in it.
    looks_like : str
        The same in words.
    names : frozenset of str
        Members of an archive.
    """

    path: Path
    format: str
    family: str | None
    looks_like: str
    names: frozenset[str] = field(default=frozenset(), repr=False)


def _family(dotted: set[str], strings: set[str]) -> str | None:
    for family, _, roots, telling in _FAMILIES:
        if any(name == root or name.startswith(f"{root}.") for name in dotted for root in roots):
            return family
        if telling & strings:
            return family
    return None


def _titled(family: str | None) -> str:
    return "" if family is None else f"{FAMILY_NAMES[family]} "


def _read_pickle(content: bytes) -> tuple[set[str], set[str], bool]:
    """Dotted names and strings of a pickle, and whether its opcodes end properly."""
    dotted: set[str] = set()
    strings: set[str] = set()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in ("GLOBAL", "INST"):
                dotted.add(str(argument).replace(" ", "."))
            elif isinstance(argument, str):
                strings.add(argument)
    except Exception:  # pickletools raises whatever the broken bytes lead to
        return dotted, strings, False
    # From protocol 4 on, a global's module is an ordinary string pushed before it.
    dotted |= {one for one in strings if re.fullmatch(r"\w+(\.\w+)+", one)}
    return dotted, strings, True


def _compiled(archive: zipfile.ZipFile, names: set[str]) -> str | None:
    """Family of an AOTInductor package, told by what its metadata calls its inputs."""
    about = (name for name in sorted(names) if name.endswith("_metadata.json"))
    return "nequip" if any(b'"nequip_' in archive.read(name) for name in about) else None


def _zip_content(archive: zipfile.ZipFile) -> tuple[str, str | None, str]:
    """Format, family and description of an archive."""
    names = set(archive.namelist())
    inner = {name.partition("/")[2] for name in names}
    pickles = [name for name in names if name.endswith("/data.pkl")]
    if any(name.startswith("data/aotinductor/") for name in inner):
        family = _compiled(archive, names)
        return "aotinductor", family, f"{_titled(family)}AOTInductor package"
    if ".data/extern_modules" in inner:
        # Sources lie at <archive>/<module>/…; a NequIP package holds its own code.
        family = _family({name.split("/")[0] for name in inner if name.endswith(".py")}, set())
        return "torch-package", family, f"{_titled(family)}torch.package"
    if any(name.startswith("code/__torch__") for name in inner):
        code = {".".join(name.split("/")[2:]) for name in inner if name.startswith("code/__torch")}
        family = _family(code, set())
        return "torchscript", family, f"{_titled(family)}TorchScript archive"
    if len(pickles) != 1:
        return "zip", None, "zip archive"
    with archive.open(pickles[0]) as stream:
        dotted, strings, _ = _read_pickle(stream.read(PICKLE_LIMIT))
    family = _family(dotted, strings)
    if {"pytorch-lightning_version", "state_dict"} <= strings:
        return "lightning", family, f"{_titled(family)}Lightning checkpoint"
    return "torch-zip", family, f"{_titled(family)}file of torch.save"


def _zip_kind(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            return FileKind(path, *_zip_content(archive), frozenset(archive.namelist()))
    except Exception:  # zipfile raises whatever the broken bytes lead to
        return FileKind(path, "truncated-zip", None, "truncated or damaged zip archive")


_MAGIC: Final = {
    b"\x89HDF\r\n\x1a\n": ("hdf5", "HDF5 file"),
    b"\x93NUMPY": ("numpy", "NumPy array"),
}


def _pickle_kind(path: Path, content: bytes) -> FileKind:
    if content.startswith(_TORCH_LEGACY_MAGIC):
        family = _family(*_read_legacy(content))
        what = f"{_titled(family)}file of torch.save, old format"
        return FileKind(path, "torch-legacy", family, what)
    dotted, strings, complete = _read_pickle(content)
    family = _family(dotted, strings)
    what = f"{_titled(family)}pickle" if complete else "truncated or damaged pickle"
    return FileKind(path, "pickle", family, what)


def detect(path: Path) -> FileKind:
    """Tell what a file is from its content.

    Parameters
    ----------
    path : Path
        An existing file, by any name.

    Raises
    ------
    MlffError
        If it cannot be read or is a directory.
    """
    if path.is_dir():
        raise MlffError(f"{path} is a directory: name one checkpoint in it")
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
            stream.seek(0)
            content = stream.read(PICKLE_LIMIT) if head.startswith(b"\x80") else b""
    except FileNotFoundError as error:
        raise MlffError(f"no such checkpoint: {path}") from error
    except OSError as error:
        raise MlffError(f"{path}: cannot be read ({error.strerror or error})") from error
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if content:
        return _pickle_kind(path, content)
    for magic, (kind, what) in _MAGIC.items():
        if head.startswith(magic):
            return FileKind(path, kind, None, what)
    if not head:
        return FileKind(path, "empty", None, "empty file")
    if _is_text(head):
        return FileKind(path, "text", None, "text file")
    return FileKind(path, "unknown", None, "binary file of unknown kind")


def _read_legacy(content: bytes) -> tuple[set[str], set[str]]:
    """The old torch.save: several pickles one after the other."""
    dotted: set[str] = set()
    strings: set[str] = set()
    for _ in range(5):
        more_dotted, more_strings, complete = _read_pickle(content)
        dotted |= more_dotted
        strings |= more_strings
        if not complete:
            break
        last = list(pickletools.genops(content))[-1][2]
        content = content[(last or 0) + 1 :]
    return dotted, strings


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of the sample
    return True
