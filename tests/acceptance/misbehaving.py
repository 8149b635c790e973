"""What the tests of clients that misbehave share: after each of them a device that behaves is
pinged."""

from clients import MosquittoSub
from harness import ServedTest
from mqtt import V5, RawClient, tls_context
from processes import wait_until


class Misbehaving(ServedTest):
    """A server with short deadlines, a device that behaves, and those who do not."""

    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve(f"plain_listener: 127.0.0.1:{site.plain_port}",
                              "limits: {handshake_timeout_s: 1, message_bytes: 2048}")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = cls.site.add_device("pc-good")
        cls.subscriber = MosquittoSub(cls.site, "pc-good", cls.good)
        cls.addClassCleanup(cls.subscriber.close)

    def tearDown(self):
        """The server goes on."""
        self.assertIsNone(self.server.process.poll(), self.server.log())
        self.site.succeed("ping", "pc-good")
        super().tearDown()

    def tls_client(self, credentials, version=V5):
        return RawClient(self.site.port, tls_context(self.good.authority, credentials), version)

    def counts(self, metric):
        """A check that METRIC grows by one from now on."""
        before = self.site.metric(metric)
        return lambda: wait_until(lambda: self.site.metric(metric) == before + 1,
                                  f"{metric} to be {before + 1}")
