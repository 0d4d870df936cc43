"""A web server on this machine, with files in memory."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """Small files on a local port; `cut` ends a file early, so many times."""

    address: str
    content: dict[str, bytes] = field(default_factory=dict)
    cut: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve(content: Mapping[str, bytes]) -> Iterator[Server]:
    """A server on this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.content.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if served.cut:
                served.cut -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served = Server(f"http://127.0.0.1:{http.server_port}/", dict(content))
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield served
        http.shutdown()
        thread.join()
