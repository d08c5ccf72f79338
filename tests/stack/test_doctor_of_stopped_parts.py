"""The doctor of a stack whose parts are down looks at the rest, and at nobody else's servers."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

from click.testing import CliRunner

from cli.main import main
from stack.folder import StateFolder
from stack.lifecycle import bring_up
from stack.options import choose, remember
from tests.stack.conftest import web_part


class _Neighbour(BaseHTTPRequestHandler):
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.send_error(500)


def test_the_doctor_names_what_is_down_and_asks_no_neighbour(
    folder: StateFolder, tmp_path: Path
) -> None:
    neighbour = HTTPServer(("127.0.0.1", 0), _Neighbour)
    Thread(target=neighbour.serve_forever, daemon=True).start()
    ports = {"connect": neighbour.server_port, "management": neighbour.server_port}
    remember(folder, choose(folder, "auto", ports, 1, False))
    bring_up(folder, [web_part("reconciler", tmp_path)], [], lambda *_: None)
    done = CliRunner().invoke(main, ["doctor", "--json", "--state", str(folder.path)])
    neighbour.shutdown()
    neighbour.server_close()
    assert _Neighbour.requests == []
    findings = json.loads(done.output)
    assert done.exit_code == 1, "something is failing, and that was seen"
    text = done.output
    for part in ("postgres", "valkey", "kafka", "registry", "connect", "consumer-1"):
        assert part in text, text
    assert "Traceback" not in text
    assert findings
