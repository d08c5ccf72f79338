"""A proxy to a server: a link that can be cut, made silent or deaf, and restored."""

import selectors
import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from stack.ports import HOST, free_ports


class Link:
    """Forwards TCP connections to the server of a URL; `url` is the same server through the link.

    cut(): connections break and new ones are refused, as when the server is down. silence(): the
    server gets what clients send, and no response comes back. deafen(): the server gets nothing.
    break_next(): connections break at the next requests or responses, which are lost. restore():
    new connections work again.
    """

    def __init__(self, target_url: str) -> None:
        parts = urlsplit(target_url)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        # While it is cut, the system may not give its port to somebody's connection.
        self._port = free_ports(["link"])["link"]
        self._listener = socket.create_server((HOST, self._port))
        login = parts.netloc.rpartition("@")[0]
        address = f"{HOST}:{self._port}"
        netloc = f"{login}@{address}" if login else address
        self.url = urlunsplit(parts._replace(netloc=netloc))
        self.silent = False
        self.deaf = False
        self.withheld = 0
        """Responses that were held back: this many clients wait."""
        self._breaks = {"requests": 0, "answers": 0}
        self._open: list[socket.socket] = []
        self._lock = Lock()
        self._accepting = self._start_accepting()

    def cut(self) -> None:
        with self._lock:
            self._listener.close()
        # A blocked accept() returns at the next connection, or at its timeout.
        self._accepting.join()
        with self._lock:
            self._drop_all()

    def silence(self) -> None:
        self.silent = True

    def deafen(self) -> None:
        self.deaf = True

    def break_next(self, count: int, which: Literal["requests", "answers"]) -> None:
        """The next `count` of them do not arrive; each breaks its connection."""
        with self._lock:
            self._breaks[which] = count

    def restore(self) -> None:
        with self._lock:
            # In one step: a connection made in between would have lost what its server said first.
            if self.silent or self.deaf:
                self._drop_all()
            self.silent = self.deaf = False
            self._breaks = {"requests": 0, "answers": 0}
        if self._listener.fileno() < 0:
            self._listener = socket.create_server((HOST, self._port))
            self._accepting = self._start_accepting()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self.cut()

    def _start_accepting(self) -> Thread:
        self._listener.settimeout(0.02)
        thread = Thread(target=self._accept, args=(self._listener,), daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.setblocking(True)
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open += [client, server]
            Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65536)
                    if not data or self._is_to_break(key.fileobj is server):
                        raise OSError
                    if not (self.silent if key.fileobj is server else self.deaf):
                        key.data.sendall(data)
                    elif key.fileobj is server:
                        self.withheld += 1
        for end in (client, server):
            end.close()

    def _is_to_break(self, from_server: bool) -> bool:
        which = "answers" if from_server else "requests"
        with self._lock:
            left = self._breaks[which]
            self._breaks[which] = max(0, left - 1)
        return left > 0

    def _drop_all(self) -> None:
        """The caller holds the lock."""
        ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
