"""Why a service does not answer is said in words, without the names of Python's classes."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from coupons.links.web import WebService, why_no_response
from stack.ports import HOST, free_ports
from tests.support.answers import Answers
from tests.support.certificates import Authority


def why(service: WebService, timeout_s: float = 5.0) -> str:
    try:
        answer = service.request("GET", "/", timeout_s)
        answer.raise_for_status()
        answer.json()
    except requests.RequestException as error:
        return why_no_response(error)
    raise AssertionError("it answered")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as open_port:
        yield open_port


def test_nobody_listens() -> None:
    assert why(WebService(f"http://{HOST}:{free_ports(['none'])['none']}")) == "no connection"


def test_it_is_silent(listener: socket.socket) -> None:
    assert why(WebService(f"http://{HOST}:{listener.getsockname()[1]}"), 0.1) == "no answer in time"


def test_it_answers_with_an_error_or_with_something_else() -> None:
    answers = Answers(500, "<html>")
    try:
        assert why(WebService(answers.url)) == "it answers 500"
        answers.status = 200
        assert why(WebService(answers.url)) == "the answer is not JSON"
    finally:
        answers.stop()


def test_it_speaks_no_tls(listener: socket.socket) -> None:
    def answer() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65_536)
            caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    said = why(WebService(f"https://{HOST}:{listener.getsockname()[1]}"))
    assert said.startswith("TLS failed: ")
    assert "Pool" not in said


def test_the_file_of_certificates_is_gone(listener: socket.socket, tmp_path: Path) -> None:
    file = Authority(tmp_path, "gone").file
    service = WebService(f"https://{HOST}:{listener.getsockname()[1]}/?ca_file={file}")
    file.unlink()
    assert str(file) in why(service)


def test_a_certificate_that_nobody_signed_is_named_so() -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    error = requests.exceptions.SSLError("HTTPSConnectionPool(host='x')")
    error.__context__ = cause
    assert (
        why_no_response(error) == "TLS failed: certificate verify failed: self-signed certificate"
    )
