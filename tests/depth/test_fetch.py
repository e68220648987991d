"""The fetcher against a server on loopback that misbehaves on request."""

from __future__ import annotations

import http.server
import io
import subprocess
import sys
import threading

import keras_layout
import pytest
from tqdm import tqdm

from evafast.depth.densedepth import fetch
from evafast.depth.densedepth.fetch import fetched
from evafast.depth.densedepth.weights import load_weights
from evafast.errors import RunError, UsageError
from evafast.system.console import Console


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; each request takes one of ``faults``."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.faults: list[str] = []
        self.requests = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests += 1
        fault = self.server.faults.pop(0) if self.server.faults else ""
        body = self.server.content
        self.send_response(int(fault) if fault.isdigit() else 200)
        if fault != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.h5"
    keras_layout.write(path, keras_layout.draw(keras_layout.TINY), style="old")
    return path.read_bytes()


@pytest.fixture
def server(weights_file, monkeypatch):
    server = Server()
    server.content = weights_file
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(fetch, "URL", f"http://127.0.0.1:{server.server_address[1]}/{{name}}.h5")
    monkeypatch.setitem(fetch.SIZES, "nyu", len(weights_file))
    monkeypatch.setattr(fetch, "RETRIES", 1)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names(folder):
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_fetches_once_and_loads_by_name(home, server, capsys):
    path = fetched("nyu", progress=Console().progress)
    assert path == home / "nyu.h5"
    assert path.read_bytes() == server.content
    weights = load_weights("nyu")
    assert weights.metres_per_unit == 10
    assert weights.sha256 == (home / "nyu.h5.sha256").read_text().split()[0]
    assert server.requests == 1
    assert names(home) == {"nyu.h5", "nyu.h5.sha256"}
    assert "Downloading" not in capsys.readouterr().err


def test_progress_counts_the_bytes(home, server):
    bars = []

    def progress(description, total, *, unit):
        bars.append(tqdm(desc=description, total=total, unit=unit, file=io.StringIO()))
        return bars[-1]

    fetched("nyu", progress=progress)
    (bar,) = bars
    assert (bar.n, bar.total, bar.unit) == (len(server.content), len(server.content), "B")


def test_changed_file_is_refused(home, server):
    path = fetched("nyu")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="expected the recorded SHA-256"):
        load_weights("nyu")


def test_file_placed_by_hand_is_used_offline(home, server):
    home.mkdir(parents=True)
    (home / "nyu.h5").write_bytes(server.content)
    assert fetched("nyu", offline=True) == home / "nyu.h5"
    assert names(home) == {"nyu.h5", "nyu.h5.sha256"}
    assert not server.requests


def test_offline_says_where_to_put_the_file(home, server):
    with pytest.raises(UsageError) as error:
        fetched("nyu", offline=True)
    assert str(home / "nyu.h5") in str(error.value)
    assert fetch.URL.format(name="nyu") in str(error.value)
    assert "\n" not in str(error.value)
    assert not server.requests


@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_fetches_again_after_a_passing_failure(home, server, fault):
    server.faults = [fault]
    assert fetched("nyu").read_bytes() == server.content
    assert server.requests == 2
    assert names(home) == {"nyu.h5", "nyu.h5.sha256"}


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_gives_up_after_the_retries(home, server, fault):
    server.faults = [fault] * 5
    with pytest.raises(RunError, match="try again") as error:
        fetched("nyu")
    assert "\n" not in str(error.value)
    assert server.requests == 2
    assert not names(home)


def test_missing_file_is_not_retried(home, server):
    server.faults = ["404"]
    with pytest.raises(RunError, match="HTTP 404") as error:
        fetched("nyu")
    assert str(home / "nyu.h5") in str(error.value)
    assert server.requests == 1


@pytest.mark.parametrize("length", ["", "no length"])
def test_wrong_file(home, server, monkeypatch, length):
    server.content = b"<html>a login page</html>"
    server.faults = [length]
    monkeypatch.setitem(fetch.SIZES, "nyu", None)
    with pytest.raises(RunError, match="file signature not found"):
        fetched("nyu")
    assert not names(home)


@pytest.mark.parametrize("length", ["", "no length"])
def test_truncated_file(home, server, monkeypatch, length):
    server.content = server.content[:-1000]
    server.faults = [length, length]
    with pytest.raises(RunError, match=f"bytes instead of {fetch.SIZES['nyu']:,}"):
        fetched("nyu")
    monkeypatch.setitem(fetch.SIZES, "nyu", None)
    with pytest.raises(RunError, match="truncated file"):
        fetched("nyu")
    assert not names(home)


def test_no_server(home, server, monkeypatch):
    monkeypatch.setattr(fetch, "URL", "http://127.0.0.1:9/{name}.h5")
    with pytest.raises(RunError, match="refused") as error:
        fetched("nyu")
    assert "\n" not in str(error.value)


def test_unwritable_cache(home, server, tmp_path):
    (tmp_path / "home").write_text("a file in place of the folder")
    with pytest.raises(RunError, match="EVAFAST_HOME"):
        fetched("nyu")


def test_concurrent_runs_fetch_once(home, server):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(fetched("nyu"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [home / "nyu.h5"] * 4
    assert server.requests == 1


def test_cache_folder(monkeypatch):
    monkeypatch.delenv("EVAFAST_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(fetch.weights_folder()) == "/somewhere/evafast/weights"
    monkeypatch.setenv("EVAFAST_HOME", "/else")
    assert str(fetch.weights_folder()) == "/else/weights"


def test_nothing_of_the_network_is_imported_for_local_weights():
    code = (
        "import sys; from evafast.depth import DepthEstimator; DepthEstimator.load('compact');"
        "assert not {'pooch', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
