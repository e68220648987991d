"""The fetcher against a server on loopback that misbehaves on request."""

from __future__ import annotations

import http.server
import threading

import keras_layout
import pytest

from evafast.depth.densedepth import fetch
from evafast.depth.densedepth.fetch import Source, fetched
from evafast.depth.densedepth.weights import load_weights
from evafast.errors import RunError, UsageError


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; ``faults`` is taken one a request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.faults: list[str] = []
        self.requests: list[tuple[str | None, int]] = []
        self.validators = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/nyu.h5"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        fault = self.server.faults.pop(0) if self.server.faults else ""
        content, start = self.server.content, 0
        asked = self.headers.get("Range")
        etag = f'"{hash(content)}"'
        status = 200
        if fault.isdigit():
            status, content = int(fault), b"sorry"
        elif asked and self.headers.get("If-Range") == etag and fault != "no ranges":
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
        self.server.requests.append((asked, status))
        body = content[start:]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.validators:
            self.send_header("ETag", etag)
        if fault == "no length":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        if fault:
            self.close_connection = True


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.h5"
    shapes = keras_layout.layout((1, 1, 1, 1), growth=4, stem=8, width=16)
    keras_layout.write(path, keras_layout.draw(shapes), style="old")
    return path.read_bytes()


@pytest.fixture
def source(server, weights_file, monkeypatch):
    server.content = weights_file
    source = Source(url=server.url, size=len(weights_file))
    monkeypatch.setitem(fetch.SOURCES, "nyu", source)
    return source


def test_fetches_once_and_loads_by_name(home, server, source):
    seen = []
    path = fetched("nyu", progress=lambda done, total: seen.append((done, total)))
    assert path == home / "nyu.h5"
    assert path.read_bytes() == server.content
    assert seen[-1] == (len(server.content), len(server.content))
    weights = load_weights("nyu")
    assert weights.metres_per_unit == 10
    assert weights.sha256 == (home / "nyu.h5.sha256").read_text().split()[0]
    assert len(server.requests) == 1
    assert {p.name for p in home.iterdir()} == {"nyu.h5", "nyu.h5.sha256", "nyu.h5.lock"}


def test_changed_file_is_refused(home, source):
    path = fetched("nyu")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="as recorded at the first fetch"):
        load_weights("nyu")


def test_file_put_there_by_hand_serves_offline(home, server, source):
    home.mkdir(parents=True)
    (home / "nyu.h5").write_bytes(server.content)
    assert fetched("nyu", offline=True) == home / "nyu.h5"
    assert (home / "nyu.h5.sha256").exists()
    assert not server.requests


def test_offline_says_where_to_put_the_file(home, server, source):
    with pytest.raises(UsageError) as error:
        fetched("nyu", offline=True)
    assert str(home / "nyu.h5") in str(error.value)
    assert server.url in str(error.value)
    assert "\n" not in str(error.value)
    assert not server.requests


def test_lost_connection_is_resumed(home, server, source):
    server.faults = ["cut", "cut"]
    assert fetched("nyu").read_bytes() == server.content
    half = len(server.content) // 2
    assert [status for _, status in server.requests] == [200, 206, 206]
    assert server.requests[1][0] == f"bytes={half}-"


def test_resumes_in_a_later_run(home, server, source):
    server.faults = ["cut", "404"]
    with pytest.raises(RunError, match="404"):
        fetched("nyu")
    assert (home / "nyu.h5.part").stat().st_size == len(server.content) // 2
    assert fetched("nyu").read_bytes() == server.content
    assert server.requests[-1][1] == 206


def test_restarts_where_the_server_cannot_resume(home, server, source):
    server.faults = ["cut", "no ranges"]
    assert fetched("nyu").read_bytes() == server.content
    assert [status for _, status in server.requests] == [200, 200]


def test_restarts_without_a_validator(home, server, source):
    server.validators = False
    server.faults = ["cut"]
    assert fetched("nyu").read_bytes() == server.content
    assert server.requests == [(None, 200), (None, 200)]


def test_restarts_when_the_file_changed_meanwhile(home, server, source):
    whole = server.content
    server.content = bytes(len(whole))
    server.faults = ["cut", "404"]
    with pytest.raises(RunError):
        fetched("nyu")
    server.content = whole
    assert fetched("nyu").read_bytes() == whole


def test_gives_up_after_some_attempts(home, server, source):
    server.validators = False
    server.faults = ["cut"] * 20
    with pytest.raises(RunError, match="connection was lost") as error:
        fetched("nyu")
    assert "\n" not in str(error.value)
    assert not (home / "nyu.h5").exists()
    assert 2 <= len(server.requests) <= 10


def test_server_error_is_tried_again(home, server, source):
    server.faults = ["503"]
    assert fetched("nyu").read_bytes() == server.content


def test_missing_file(home, server, source):
    server.faults = ["404"]
    with pytest.raises(RunError, match="HTTP 404") as error:
        fetched("nyu")
    assert str(home / "nyu.h5") in str(error.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", ["", "no length"])
def test_wrong_file(home, server, source, length):
    server.content = b"<html>a login page</html>"
    server.faults = [length]
    with pytest.raises(RunError, match="not HDF5"):
        fetched("nyu")
    assert not (home / "nyu.h5").exists()
    assert not (home / "nyu.h5.part").exists()


def test_truncated_file_with_a_truthful_length(home, server, source, monkeypatch):
    server.content = server.content[:-1000]
    with pytest.raises(RunError, match=f"bytes instead of {source.size}"):
        fetched("nyu")
    with pytest.raises(RunError, match="truncated HDF5"):
        fetched("nyu", source=Source(url=server.url))
    assert not (home / "nyu.h5").exists()


def test_truncated_file_without_a_length(home, server, source):
    server.content = server.content[:-1000]
    server.faults = ["no length"]
    with pytest.raises(RunError, match="truncated HDF5"):
        fetched("nyu", source=Source(url=server.url))


def test_no_server(home, source):
    with pytest.raises(RunError, match="refused"):
        fetched("nyu", source=Source(url="http://127.0.0.1:9/nyu.h5"))


def test_unwritable_cache(home, source, tmp_path):
    (tmp_path / "home").write_text("a file in the folder's place")
    with pytest.raises(RunError, match="EVAFAST_HOME"):
        fetched("nyu")


def test_two_runs_at_once_fetch_once(home, server, source):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(fetched("nyu"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [home / "nyu.h5"] * 4
    assert len(server.requests) == 1


def test_cache_folder(monkeypatch):
    monkeypatch.delenv("EVAFAST_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(fetch.weights_folder()) == "/somewhere/evafast/weights"
    monkeypatch.setenv("EVAFAST_HOME", "/else")
    assert str(fetch.weights_folder()) == "/else/weights"
