"""A Mosquitto of the tests' own, and programs run side by side against it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin"      # Debian's mosquitto is not on every user's path
LIMIT = int(os.environ.get("MQTTC_TEST_LIMIT", "60"))      # seconds that anything may take at the very most


def mqttc():
    """The program under test."""
    program = os.environ.get("MQTTC")
    if program:
        return os.path.abspath(program)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for build in ("release", "debug"):
        program = os.path.join(root, ".build", build, "mqttc")
        if os.path.exists(program):
            return program
    raise RuntimeError("no mqttc: swift build, or set MQTTC")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """A broker on a free loopback port, with its files in a temporary directory."""

    def __init__(self, *lines, users=None, access=None, quiet=False):
        self.directory = tempfile.mkdtemp(prefix="mqttc-tests-")
        self.socket = os.path.join(self.directory, "socket")
        self.lines, self.users, self.access = lines, users, access
        self.log_types = ["error", "warning", "notice", "subscribe", "information"] if quiet else ["all"]
        for _ in range(10):
            self.port = free_port()
            if self.start():
                return
        raise RuntimeError("mosquitto does not start:\n" + self.log())

    def path(self, name, content=None):
        path = os.path.join(self.directory, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self):
        settings = [f"listener {self.port} 127.0.0.1", "log_dest stderr", *(f"log_type {kind}" for kind in self.log_types),
                    f"allow_anonymous {'false' if self.users else 'true'}", *self.lines]
        if not any("listener 0" in line for line in self.lines):
            settings += [f"listener 0 {self.socket}"]
        if os.geteuid() == 0:
            settings.append("user root")
        if self.users:
            path = self.path("passwords", "".join(f"{user}:{password}\n" for user, password in self.users.items()))
            subprocess.run(["mosquitto_passwd", "-U", path], check=True)
            settings.append(f"password_file {path}")
        if self.access:
            settings.append(f"acl_file {self.path('access', self.access)}")
        self.file = open(self.path("log"), "ab")
        self.process = subprocess.Popen(["mosquitto", "-c", self.path("conf", "\n".join(settings) + "\n")],
                                        stdin=subprocess.DEVNULL, stdout=self.file, stderr=self.file)
        until = time.monotonic() + 10
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        self.stop()
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(LIMIT)
        self.file.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        with open(self.path("log"), "r", errors="replace") as file:
            return file.read()

    def wait_for(self, text, count=1):
        """Returns when the log has the text so often."""
        until = time.monotonic() + LIMIT
        while self.log().count(text) < count:
            if time.monotonic() > until:
                raise AssertionError(f"the broker's log never had {text!r} {count} times:\n{self.log()[-4000:]}")
            time.sleep(0.01)


class Child:
    """A program under way, ended by its own id whatever happens."""

    def __init__(self, words, stdin=subprocess.DEVNULL, **options):
        self.words = words
        options = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.process = subprocess.Popen(words, stdin=stdin, **options)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, stdin=None, limit=LIMIT):
        """(status, standard output, standard error)"""
        try:
            output, errors = self.process.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            output, errors = self.process.communicate()
            raise AssertionError(f"not done within {limit} s: {self.words}\n{(output or b'')[-2000:]}\n{errors[-2000:]}") from None
        return self.process.returncode, output, errors


def environment(**more):
    """Without the defaults files and passwords of who runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MQTTC_", "XDG_"))}
    kept.update({"XDG_CONFIG_HOME": "/nonexistent", "TZ": "UTC", **more})
    return kept


def run(words, stdin=b"", limit=LIMIT, **options):
    return Child(words, stdin=subprocess.PIPE, **options).end(stdin, limit)
