"""Downloads from a server on this machine: whole, wrong, cut off, refused."""

import hashlib
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_files import IDX_STEMS, write_archive, write_cifar100, write_idx_set

from gpunet.data import download, load, locate
from gpunet.data.catalog import CIFAR_100, FASHION_MNIST, Published, RemoteFile
from gpunet.errors import DataError
from gpunet.installation import install_command

pooch = pytest.importorskip("pooch", reason="downloading needs pooch: pip install 'gpunet[data]'")


class Server:
    """Serves ``files`` by path; a path in ``cut`` breaks off half way, one that is not there is a 404."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if self.path in server.cut else content)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def remote(self, path, content, sha256=None, more=()):
        """A file to fetch; ``content`` None leaves it absent from the server."""
        if content is not None:
            self.files[path] = content
        name = path.rsplit("/", maxsplit=1)[-1]
        digest = sha256 or hashlib.sha256(content or b"").hexdigest()
        return RemoteFile(name, digest, (self.base + path, *(self.base + other for other in more)))

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


CONTENT = bytes(range(256)) * 400


def test_a_good_file(server, tmp_path):
    path = download.fetch_file(server.remote("/a/good.bin", CONTENT), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "good.bin"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    remote = server.remote("/good.bin", CONTENT)
    download.fetch_file(remote, tmp_path)
    download.fetch_file(remote, tmp_path)
    assert server.asked == ["/good.bin"]
    (tmp_path / "good.bin").write_bytes(b"damaged since")
    assert download.fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["/good.bin"] * 2


def test_a_file_with_another_hash_is_refused(server, tmp_path):
    remote = server.remote("/bad.bin", CONTENT, sha256="0" * 64)
    with pytest.raises(
        DataError, match=r"bad.bin: the download failed, wanted SHA-256 0{64} \(http.*bad.bin: Value"
    ) as e:
        download.fetch_file(remote, tmp_path)
    assert hashlib.sha256(CONTENT).hexdigest() in str(e.value)
    assert "\n" not in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_download_leaves_the_file_that_was_there(server, tmp_path):
    (tmp_path / "bad.bin").write_bytes(b"older")
    with pytest.raises(DataError, match=r"the download failed"):
        download.fetch_file(server.remote("/bad.bin", CONTENT, sha256="0" * 64), tmp_path)
    assert (tmp_path / "bad.bin").read_bytes() == b"older"


def test_a_connection_that_breaks_off(server, tmp_path):
    remote = server.remote("/cut.bin", CONTENT)
    server.cut.add("/cut.bin")
    with pytest.raises(DataError, match=r"cut.bin: the download failed.*by hand into"):
        download.fetch_file(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.cut.clear()
    assert download.fetch_file(remote, tmp_path).read_bytes() == CONTENT


def test_the_next_address_is_tried(server, tmp_path):
    remote = server.remote("/gone/x.bin", None, hashlib.sha256(CONTENT).hexdigest(), more=("/cut/x.bin", "/good/x.bin"))
    server.files.update({"/cut/x.bin": CONTENT, "/good/x.bin": CONTENT})
    server.cut.add("/cut/x.bin")
    assert download.fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["/gone/x.bin", "/cut/x.bin", "/good/x.bin"]


def test_all_addresses_are_named_when_all_fail(server, tmp_path):
    remote = server.remote("/gone.bin", None, "0" * 64, more=("/gone/too.bin",))
    with pytest.raises(DataError, match=r"gone.bin: .*404.*; http.*gone/too.bin: .*404"):
        download.fetch_file(remote, tmp_path)


def test_nobody_answers(server, tmp_path):
    remote = server.remote("/x.bin", CONTENT)
    address = remote.urls[0]
    server._server.server_close()  # the port is free again, so the connection is refused at once
    with pytest.raises(DataError, match=rf"{address}: ConnectionError"):
        download.fetch_file(remote, tmp_path)


def test_an_interrupt_leaves_nothing_behind(server, tmp_path, monkeypatch):
    class Interrupted:
        def __init__(self, **settings):
            pass

        def __call__(self, url, output_file, pooch, check_only=False):
            Path(output_file).write_bytes(CONTENT[:100])
            raise KeyboardInterrupt

    monkeypatch.setattr(pooch, "HTTPDownloader", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.fetch_file(server.remote("/x.bin", CONTENT), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"x.bin: cannot be written to .*file/cache \(Not a directory\).*GPUNET_DATA"):
        download.fetch_file(server.remote("/x.bin", CONTENT), tmp_path / "file" / "cache")
    assert server.asked == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError("may not write")])
def test_a_disk_that_is_full_or_closed(server, tmp_path, monkeypatch, error):
    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr("shutil.move", fail)
    with pytest.raises(DataError, match=r"cannot be written to .* \((No space left on device|may not write)\)"):
        download.fetch_file(server.remote("/x.bin", CONTENT), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_pooch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    said = (
        rf"train.* needs pooch\. Install it with: {re.escape(install_command('data'))}, or fetch http.* into .* by hand"
    )
    with pytest.raises(DataError, match=said):
        download.fetch(FASHION_MNIST, tmp_path)


@pytest.fixture
def no_data_here(tmp_path, monkeypatch):
    """No data set anywhere; the cache folder is a new one."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(locate, "cache_folder", lambda: cache)
    monkeypatch.setattr(locate, "SYSTEM_FOLDER", tmp_path / "system")
    return cache


def publish(server, monkeypatch, dataset: Published, contents: dict[str, bytes]):
    files = tuple(server.remote(f"/{dataset.name}/{name}", content) for name, content in contents.items())
    entry = Published(dataset.name, dataset.class_names, dataset.folders, files, dataset.layout)
    monkeypatch.setitem(load.__globals__["PUBLISHED"], dataset.name, entry)


def test_load_downloads_what_is_nowhere_and_finds_it_the_next_time(server, tmp_path, monkeypatch, no_data_here):
    write_idx_set(tmp_path / "origin")
    contents = {f"{stem}.gz": (tmp_path / "origin" / f"{stem}.gz").read_bytes() for stem in IDX_STEMS}
    publish(server, monkeypatch, FASHION_MNIST, contents)
    with pytest.raises(DataError, match=r"fashion-mnist: not in .*cache, .*system, and download=False. Fetch http"):
        load("fashion-mnist", download=False)
    train, test = load("fashion-mnist")
    assert (len(train), len(test)) == (6, 4)
    assert sorted(path.name for path in (no_data_here / "fashion-mnist").iterdir()) == sorted(contents)
    load("fashion-mnist", download=False)
    assert len(server.asked) == 4


def test_load_completes_what_an_earlier_download_began(server, tmp_path, monkeypatch, no_data_here):
    write_idx_set(tmp_path / "origin")
    contents = {f"{stem}.gz": (tmp_path / "origin" / f"{stem}.gz").read_bytes() for stem in IDX_STEMS}
    publish(server, monkeypatch, FASHION_MNIST, contents)
    third = f"/fashion-mnist/{IDX_STEMS[2]}.gz"
    server.cut.add(third)
    with pytest.raises(DataError, match=r"fashion-mnist: not in .*t10k-images-idx3-ubyte.gz: the download failed"):
        load("fashion-mnist")
    server.cut.clear()
    server.asked.clear()
    assert len(load("fashion-mnist")[0]) == 6
    assert server.asked == [third, f"/fashion-mnist/{IDX_STEMS[3]}.gz"]


def test_load_reads_cifar_from_the_archive_it_downloaded(server, tmp_path, monkeypatch, no_data_here):
    write_cifar100(tmp_path / "origin")
    archive = tmp_path / CIFAR_100.files[0].filename
    write_archive(archive, tmp_path / "origin", "cifar-100-binary")
    publish(server, monkeypatch, CIFAR_100, {archive.name: archive.read_bytes()})
    with pytest.raises(DataError, match=r"train.bin in .*cifar-100-binary.tar.gz: .*wanted 50000 records"):
        load("cifar100")  # the archive of the test is smaller than the published one
    assert [path.name for path in (no_data_here / "cifar100").iterdir()] == [archive.name]
