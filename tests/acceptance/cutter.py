"""A wire between clients and the server that can be cut: both ends see a reset, as behind a NAT
that has forgotten the connection, and may dial again at once."""

import selectors
import socket
import struct
import threading

from processes import free_port


class Cutter:
    """Forwards connections to PORT from the port of its own, until close()."""

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self.port = free_port()
        self._selector = selectors.DefaultSelector()
        self._peers = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended:
            for key, _ in self._selector.select(timeout=0.1):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._peers:
                        self._forward(key.fileobj)

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        for here, there in (near, far), (far, near):
            self._peers[here] = there
            self._selector.register(here, selectors.EVENT_READ)

    def _forward(self, here):
        try:
            data = here.recv(65536)
            if data:
                self._peers[here].sendall(data)
                return
        except OSError:
            pass
        self._drop(here)

    def _drop(self, here):
        for end in here, self._peers.get(here):
            if end in self._peers:
                del self._peers[end]
                self._selector.unregister(end)
                # Closing with this is a reset.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    def cut(self):
        """Resets every connection that there is."""
        with self._lock:
            for end in list(self._peers):
                self._drop(end)

    def close(self):
        self._ended = True
        self._thread.join()
        self.cut()
        self._listener.close()
        self._selector.close()
