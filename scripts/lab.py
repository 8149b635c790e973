"""What the measuring scripts share: release builds, a site in a temporary folder, its server."""

import http.client
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def fail(message):
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def run(*command, **options):
    """Its standard output; what it said when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False, **options)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def build(*targets):
    """The folder of a release build with these, kscpush and benchmarks."""
    folder = ROOT / "build/bench"
    run("scripts/install-deps", "test", cwd=ROOT)
    run("cmake", "--preset", "release", "-DKSCPUSH_TESTS=ON", "-B", folder, cwd=ROOT)
    run("cmake", "--build", folder, "--target", *targets, cwd=ROOT)
    return folder


def require(program):
    """Its path; installs the Debian package of that name where it is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    if not shutil.which(program, path=path):
        run("apt-get", "install", "-y", "--no-install-recommends", program)
    return shutil.which(program, path=path)


def allow_descriptors():
    """As many as this user may have; how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def wait_for_port(process, port, seconds=30):
    """Until something listens on it, on loopback."""
    deadline = time.monotonic() + seconds
    needle = f"0100007F:{port:04X} 00000000:0000 0A"
    while needle not in Path("/proc/net/tcp").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            fail(f"the server does not listen on port {port}")
        time.sleep(0.02)


def end(process):
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_seconds(pid):
    return sum(int(task.joinpath("schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def memory(pid):
    """Bytes: Anonymous, Pss, Rss, and Peak of the last."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    result = {name: int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) * 1024
              for name in ("Anonymous", "Pss", "Rss")}
    status = Path(f"/proc/{pid}/status").read_text()
    result["Peak"] = int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1]) * 1024
    return result


def machine():
    """One line for a table's heading."""
    return (f"{os.cpu_count()} processors, {os.uname().release}, "
            f"load {os.getloadavg()[0]:.1f} before")


class Site:
    """A site in FOLDER with a push server on the ports PORT (TLS), PORT + 1 (plain), PORT + 2
    (admin API). ADMIN and LIMITS are further settings of push_server.admin and .limits."""

    def __init__(self, folder, kscpush, port, admin=None, limits=None):
        self.folder = Path(folder)
        self.kscpush = Path(kscpush).resolve()
        self.port = port
        self.server = None
        run(self.kscpush, "init", "--dir", self.folder, "--address", "localhost")
        path = self.folder / "kscpush.yaml"
        last = "      max_connections: 50000\n"
        text = path.read_text().replace("port: 13295", f"port: {port}")
        text = text.replace("enabled: false", "enabled: true", 1)
        assert last in text
        admin = {"listen": f"127.0.0.1:{port + 2}", **(admin or {})}
        path.write_text(text.replace(last, last + f"""      listen: 127.0.0.1
      plain_listener: 127.0.0.1:{port + 1}
      admin: {json.dumps(admin)}
      limits: {json.dumps(limits or {})}
"""))

    def token(self):
        return (self.folder / "pki/admin.token").read_text().strip()

    def register(self, names):
        """Devices, all of the root group."""
        table = self.folder / "devices.csv"
        table.write_text("id,group\n" + "".join(f"{name},Managed devices\n" for name in names))
        run(self.kscpush, "device", "import", table, cwd=self.folder)

    def start(self):
        """The server's process, ready."""
        with open(self.folder / "serve.log", "ab") as log:
            self.server = subprocess.Popen([self.kscpush, "serve", "--log-level", "warn"],
                                           cwd=self.folder, stdout=log, stderr=log)
        wait_for_port(self.server, self.port + 2)
        return self.server

    def stop(self):
        end(self.server)

    def admin(self):
        """A connection to the admin API, for request(); one thread's."""
        return http.client.HTTPConnection("127.0.0.1", self.port + 2, timeout=60)

    def request(self, connection, method, path, body=None):
        """Its answer; fails when it is refused."""
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Authorization": f"Bearer {self.token()}"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            fail(f"{method} {path}: {answer.status} {text.decode()[:500]}")
        return json.loads(text)

    def bench_command(self, *arguments):
        return [str(word) for word in (self.kscpush, "bench", "-o", "json", "--keep",
                                       "--keep-alive", 36000, *arguments)]

    def bench(self, *arguments, timeout=900):
        """The rows of a load test on the running server, measured by its process id."""
        return json.loads(run(*self.bench_command("--pid", self.server.pid, *arguments),
                              cwd=self.folder, timeout=timeout))
