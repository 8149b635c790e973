"""TLS clients of other libraries (tests/clients/tls): each does what it is told, a line each."""

import os
import subprocess
import unittest
from pathlib import Path

from mqtt import RawClient, V5
from processes import DEADLINE

# Library, and the Debian package that it is built with.
PACKAGES = {"openssl": "libssl-dev", "gnutls": "libgnutls28-dev", "wolfssl": "libwolfssl-dev",
            "mbedtls": "libmbedtls-dev"}


def program(library):
    """The client's path; skips the test when it was not built."""
    path = Path(os.environ.get("KSCPUSH_TLS_CLIENTS", "")) / f"client_{library}"
    if not path.is_file():
        raise unittest.SkipTest(f"{path.name} was not built: install {PACKAGES[library]} and "
                                "configure again")
    return path


class LibraryClient(RawClient):
    """An MQTT device whose TLS is LIBRARY's."""

    def __init__(self, library, port, credentials, tls="1.3", version=V5):
        self.version = version
        self._buffer = b""
        self._process = subprocess.Popen(
            [program(library), "localhost", str(port), credentials.authority,
             credentials.certificate, credentials.key, tls],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        try:
            answer = self._answer()
            assert answer == "connected", f"{library}: {answer}"
        except BaseException:
            self.close()
            raise

    def close(self):
        for stream in self._process.stdin, self._process.stdout:
            stream.close()
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()

    def _answer(self):
        return self._process.stdout.readline().strip()

    def _do(self, command):
        self._process.stdin.write(command + "\n")
        return self._answer()

    def send(self, data):
        answer = self._do("send " + data.hex())
        assert answer == "sent", answer

    def read_some(self):
        answer = self._do("recv")
        if answer.startswith("got "):
            return bytes.fromhex(answer[4:])
        if answer == "closed":
            return b""
        raise ConnectionError(answer)

    def update_keys(self, ask_back):
        """KeyUpdate; False when the library cannot."""
        answer = self._do(f"update {'yes' if ask_back else 'no'}")
        assert answer in ("updated", "unsupported"), answer
        return answer == "updated"

    def close_notify(self):
        """Sends close_notify; what came then, up to the server's: "closed", or an error."""
        return self._do("close")

    @property
    def info(self):
        return self._do("info")
