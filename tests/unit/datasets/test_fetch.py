"""Fetching against a server on this machine that breaks off, lies, or is not there."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.download import ResumingDownloader
from pytest_mlff.datasets.fetch import fetch, missing_systems, sources_of, unpack
from pytest_mlff.datasets.record import DatasetRecord, record_named
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("pooch")
NAME = "rmd17.tar.bz2"
RMD17 = record_named("rmd17")
CHUNK = 1 << 14
"""Bytes that are written at a time."""


@dataclass
class Server:
    """What the server does, and what it was asked."""

    content: bytes
    break_after: list[int] = field(default_factory=list)
    """For each connection to come, after how many bytes it is cut."""
    ranges: bool = True
    status: int = 200
    tag: str = '"one"'
    asked: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{NAME}"

    def record(self, **changes: Any) -> DatasetRecord:
        """The record of rMD17 with this server as the place of its archive."""
        digest = hashlib.sha256(self.content).hexdigest()
        settings = {"checksum": f"sha256:{digest}", "url": self.url, **changes}
        source = RMD17.sources[0].model_copy(update=settings)
        return RMD17.model_copy(update={"sources": (source,)})


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append(wanted)
            start = 0
            if server.status != 200:
                self.send_error(server.status)
                return
            fits = self.headers.get("If-Range") == server.tag
            if wanted is not None and server.ranges and fits:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(server.content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(server.content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                last = len(server.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", server.tag)
            self.send_header("Content-Length", str(len(server.content) - start))
            self.end_headers()
            stop = len(server.content)
            if server.break_after:
                stop = min(stop, start + server.break_after.pop(0))
            self.wfile.write(server.content[start:stop])

        def log_message(self, *words: Any) -> None:
            pass

    return Handler


def _npz(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    stream = io.BytesIO()
    np.savez(
        stream,
        nuclear_charges=np.array([6, 1, 8]),
        coords=rng.normal(size=(400, 3, 3)),
        energies=rng.normal(size=400),
        forces=rng.normal(size=(400, 3, 3)),
        old_indices=rng.permutation(400),
    )
    return stream.getvalue()


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:bz2") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("rmd17/npz_data/rmd17_linked.npz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


@pytest.fixture(scope="module")
def archive_bytes() -> bytes:
    return _tar(
        {
            "rmd17/readme.txt": b"words",
            "rmd17/npz_data/rmd17_ethanol.npz": _npz(1),
            "./rmd17/npz_data/rmd17_aspirin.npz": _npz(2),
            "rmd17/splits/index_train_01.csv": b"1\n2\n",
            "../../rmd17/npz_data/rmd17_outside.npz": b"evil",
            "/rmd17/npz_data/rmd17_absolute.npz": b"evil",
            "rmd17/npz_data/../../../rmd17_up.npz": b"evil",
        }
    )


@pytest.fixture
def server(archive_bytes: bytes) -> Iterator[Server]:
    state = Server(archive_bytes)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(state)) as listener:
        state.port = listener.server_port
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        listener.shutdown()
        thread.join()


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


UNPACKED = [
    "rmd17/npz_data/rmd17_aspirin.npz",
    "rmd17/npz_data/rmd17_ethanol.npz",
    "rmd17/splits/index_train_01.csv",
]


def test_whole_way(tmp_path: Path, server: Server) -> None:
    seen: list[tuple[str, int, int]] = []
    written = fetch(server.record(), tmp_path, progress=lambda *step: seen.append(step))
    assert len(written) == 3
    assert _files(tmp_path) == UNPACKED
    assert not list(tmp_path.parent.glob("rmd17*"))
    size = len(server.content)
    assert ("download", size, size) in seen
    assert seen[-1] == ("unpack", size, size)
    assert set(missing_systems(RMD17, tmp_path)).isdisjoint({"aspirin", "ethanol"})
    dataset = open_dataset("rmd17", data_dir=tmp_path).load("ethanol")
    assert len(dataset.frames) == 400
    assert "train_01" in dataset.index_sets


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path: Path, server: Server) -> None:
    server.break_after = [CHUNK + 100, 2 * CHUNK]
    fetch(server.record(), tmp_path)
    assert server.asked == [None, f"bytes={CHUNK}-", f"bytes={3 * CHUNK}-"]
    assert _files(tmp_path) == UNPACKED


def test_a_later_run_goes_on(tmp_path: Path, server: Server) -> None:
    server.break_after = [5 * CHUNK, 0, 0, 0]
    with pytest.raises(MlffError, match=r"broke off after 0.1 MB .*run the same command again"):
        fetch(server.record(), tmp_path)
    assert (tmp_path / f"{NAME}.part").read_bytes() == server.content[: 5 * CHUNK]
    assert _files(tmp_path) == [f"{NAME}.part", f"{NAME}.part.tag"]
    server.asked.clear()
    fetch(server.record(), tmp_path)
    assert server.asked == [f"bytes={5 * CHUNK}-"]
    assert _files(tmp_path) == UNPACKED


@pytest.mark.parametrize("change", [{"tag": '"two"'}, {"ranges": False}, {"tag": 'W/"one"'}])
def test_other_content_or_no_ranges_start_anew(
    tmp_path: Path, server: Server, change: dict[str, Any]
) -> None:
    server.break_after = [CHUNK, 0, 0, 0]
    with pytest.raises(MlffError, match="broke off"):
        fetch(server.record(), tmp_path)
    # What lies here is of no use: its bytes are not those of the new content.
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * CHUNK)
    for key, value in change.items():
        setattr(server, key, value)
    fetch(server.record(), tmp_path)
    assert _files(tmp_path) == UNPACKED


def test_a_complete_part_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(server.content)
    (tmp_path / f"{NAME}.part.tag").write_text(server.tag)
    fetch(server.record(), tmp_path)
    assert _files(tmp_path) == UNPACKED


def test_wrong_checksum_leaves_nothing_broken(tmp_path: Path, server: Server) -> None:
    wrong = server.record(checksum=f"sha256:{'0' * 64}")
    with pytest.raises(MlffError, match=r"does not have the published checksum") as caught:
        fetch(wrong, tmp_path)
    assert "\n" not in str(caught.value)
    assert _files(tmp_path) == []
    # and the next run is a whole one
    server.asked.clear()
    fetch(server.record(), tmp_path)
    assert server.asked == [None]


def test_one_flipped_byte_in_the_part_is_noticed(tmp_path: Path, server: Server) -> None:
    spoiled = bytearray(server.content[:4000])
    spoiled[2000] ^= 1
    (tmp_path / f"{NAME}.part").write_bytes(bytes(spoiled))
    (tmp_path / f"{NAME}.part.tag").write_text(server.tag)
    with pytest.raises(MlffError, match="checksum"):
        fetch(server.record(), tmp_path)
    assert _files(tmp_path) == []


def test_refusal(tmp_path: Path, server: Server) -> None:
    server.status = 404
    with pytest.raises(MlffError, match="the server answers 404"):
        fetch(server.record(), tmp_path)


def test_no_server(tmp_path: Path, server: Server) -> None:
    archive = server.record(url="http://127.0.0.1:9/none")
    with pytest.raises(MlffError, match=r"^cannot reach http://127.0.0.1:9/none .*no network\?$"):
        fetch(archive, tmp_path, timeout=2)


def test_offline_doi_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every address led to a closed port, as on a machine without network."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(MlffError) as caught:
        fetch(RMD17, tmp_path, timeout=2)
    assert str(caught.value) == (
        "cannot reach doi:10.6084/m9.figshare.12672038.v3: no network; "
        "fetch rmd17.tar.bz2 where there is one and pass it with --archive"
    )
    assert _files(tmp_path) == []


class _Answer:
    def __init__(self, url: str, content: Any, status: int = 200) -> None:
        self.url, self.content, self.status_code = url, content, status

    def json(self) -> Any:
        return self.content

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            import requests

            raise requests.HTTPError(f"{self.status_code} for {self.url}")


@pytest.mark.parametrize("page_status", [200, 403])
def test_doi_leads_to_the_file(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, page_status: int
) -> None:
    """The DOI's page may turn programs away; the repository's interface names the file."""
    import requests

    real, asked = requests.get, []

    def get(url: str, **settings: Any) -> Any:
        asked.append(url)
        if url.startswith("https://doi.org/"):
            return _Answer("https://figshare.com/articles/rmd17", None, page_status)
        if url.startswith("https://api.figshare.com/v2/articles?doi="):
            return _Answer(url, [{"id": 12672038}])
        if url.startswith("https://api.figshare.com/"):
            return _Answer(url, {"files": [{"name": NAME, "download_url": server.url}]})
        return real(url, **settings)

    monkeypatch.setattr(requests, "get", get)
    fetch(server.record(url=None), tmp_path)
    assert _files(tmp_path) == UNPACKED
    assert "https://api.figshare.com/v2/articles/12672038/versions/3" in asked
    with pytest.raises(MlffError, match=r"gives no address for other\.tar"):
        fetch(server.record(url=None, file="other.tar"), tmp_path)


def test_archive_at_hand(tmp_path: Path, server: Server) -> None:
    given = tmp_path / "mine.tar.bz2"
    given.write_bytes(server.content)
    fetch(server.record(), tmp_path / "data", given=given)
    assert _files(tmp_path / "data") == UNPACKED
    assert given.exists()
    assert server.asked == []
    with pytest.raises(MlffError, match="is not the published checksum sha256:cddeea2ec2c4"):
        fetch(RMD17, tmp_path / "data", given=given)
    with pytest.raises(MlffError, match="cannot be read"):
        fetch(RMD17, tmp_path / "data", given=tmp_path / "none")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"no archive", "damaged archive|cannot be unpacked"),
        (_tar({"rmd17/readme.txt": b"words"}), "holds no rmd17/npz_data"),
        (_tar({"rmd17/npz_data/rmd17_a.npz": b"words"}), "not a readable npz"),
    ],
)
def test_damaged_archives(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    with pytest.raises(MlffError, match=message):
        unpack(path, tmp_path / "data", RMD17, RMD17.sources[0].members)


def test_truncated_archive(tmp_path: Path, archive_bytes: bytes) -> None:
    path = tmp_path / NAME
    path.write_bytes(archive_bytes[: len(archive_bytes) // 2])
    with pytest.raises(MlffError, match=r"damaged archive|cannot be unpacked"):
        unpack(path, tmp_path / "data", RMD17, RMD17.sources[0].members)
    assert not list(tmp_path.rglob("*.part"))


def test_unwritable_folder(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MlffError, match="cannot be written"):
        fetch(server.record(), tmp_path / "file")


def test_downloader_alone_counts_bytes(tmp_path: Path, server: Server) -> None:
    server.break_after = [CHUNK]
    seen: list[tuple[int, int]] = []
    target = tmp_path / "target"
    downloader = ResumingDownloader(
        tmp_path / "p", progress=lambda done, total: seen.append((done, total))
    )
    downloader(server.url, str(target), None)
    assert target.read_bytes() == server.content
    assert seen[0] == (CHUNK, len(server.content))
    assert seen[-1] == (len(server.content), len(server.content))


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_zip_and_single_files(tmp_path: Path, server: Server) -> None:
    """A source that is a zip, and one that is the file itself, with no checksum known."""
    ccsdt = record_named("ccsdt")
    server.content = _zip(
        {"ethanol_ccsd_t-train.npz": _npz(1), "__MACOSX/x": b"", "../ethanol_ccsd_t-test.npz": b"x"}
    )
    source = ccsdt.sources[0].model_copy(update={"url": server.url})
    record = ccsdt.model_copy(update={"sources": (source,)})
    fetch(record, tmp_path, ["ethanol"])
    assert _files(tmp_path) == ["ccsdt/ethanol_ccsd_t-train.npz"]
    server.content = _zip({"train.extxyz": b"1\n\nH 0 0 0\n"})
    texts = source.model_copy(update={"file": "t.zip", "members": ("*.extxyz",)})
    fetch(ccsdt.model_copy(update={"sources": (texts,)}), tmp_path, ["ethanol"])
    assert (tmp_path / "ccsdt/train.extxyz").is_file()
    server.content = _zip({"ethanol_ccsd_t-train.npz": b"\0" * 10_000_000})
    with pytest.raises(MlffError, match="would unpack to 10000000 bytes"):
        fetch(record, tmp_path, ["ethanol"])
    md17 = record_named("md17")
    server.content = _npz(2)
    one = next(one for one in md17.sources if one.file == "md17_ethanol.npz")
    plain = md17.model_copy(update={"sources": (one.model_copy(update={"url": server.url}),)})
    fetch(plain, tmp_path, ["ethanol"])
    assert (tmp_path / "md17/md17_ethanol.npz").read_bytes() == server.content


def test_only_the_sources_of_a_system() -> None:
    md17 = record_named("md17")
    assert [one.file for one in sources_of(md17, ["salicylic_acid"])] == ["md17_salicylic.npz"]
    assert [one.file for one in sources_of(record_named("ccsdt"), ["toluene_test"])] == [
        "toluene_ccsd_t.zip"
    ]
    assert len(sources_of(md17, tuple(md17.systems))) == 10


def test_no_address(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match=r"gete: no address to fetch from is known .*clone it"):
        fetch(record_named("gete"), tmp_path)
