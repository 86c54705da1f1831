"""The programs that are measured, the broker between them, and how one of them is run, counted and timed."""

import importlib.util
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, ".build", "c")
CC = shutil.which("cc") or "clang"
LIBRARIES = {"mosq": ["-lmosquitto"], "pahoc": ["-lpaho-mqtt3a"]}
OURS = "swift-mqtt"


class Programs:
    """Builds what can be built here. A peer is a name; it becomes a program, a suffix of the scenario, and an environment."""

    def __init__(self):
        self.paths = build("nullbroker", "raw", "files", "mosq", "pahoc")
        if importlib.util.find_spec("paho"):
            self.paths["pahopy"] = [sys.executable, f"{HERE}/pahopy.py"]
        else:
            print("left out: there is no paho-mqtt for Python (pip install paho-mqtt)", file=sys.stderr)
        driver = swift_product(HERE, "driver")
        self.paths[OURS] = [driver]
        self.stripped = stripped(driver)
        self.counter = counter()

    def has(self, peer):
        return peer.split("+")[0].split("-thread")[0] in self.paths

    def command(self, peer, scenario, port, count, size, window):
        """`swift-mqtt+batch` is our driver with the scenario's name and -batch behind it; `mosq-thread` has a thread of the library's."""
        name, _, suffix = peer.partition("+")
        environment = {}
        if name.endswith("-thread"):
            name, environment = name.removesuffix("-thread"), {"THREAD": "1"}
        words = [scenario + ("-" + suffix if suffix else ""), "127.0.0.1", str(port), str(count), str(size), str(window)]
        return self.paths[name] + words, environment

    def run(self, peer, scenario, port, count, size, window, environment=None, timeout=60):
        """The fields of the driver's RESULT line, or None when it fails."""
        command, own = self.command(peer, scenario, port, count, size, window)
        return fields(execute(command, {**own, **(environment or {})}, timeout))

    def instructions(self, peer, scenario, port, count, size, window):
        command, environment = self.command(peer, scenario, port, count, size, window)
        if command[0] == self.paths[OURS][0]:
            command[0] = self.stripped
        return instructions(command, environment)

    def allocations(self, peer, scenario, port, count, size, window):
        command, environment = self.command(peer, scenario, port, count, size, window)
        return allocations(command, environment, self.counter)


class MqttcBench:
    """`mqttc bench` in place of the drivers: it is there after a release build of the library, so nothing else has to be compiled."""

    def __init__(self, mqttc):
        self.paths = build("nullbroker")
        self.stripped = stripped(mqttc)
        self.counter = counter()

    def command(self, scenario, port, count, size, window):
        mode, qos = scenario[:3], scenario[3:]
        words = [self.stripped, "bench", mode, f"mqtt://127.0.0.1:{port}", "--json", "--qos", qos, "--count", str(count)]
        if mode == "pub":
            return words + ["--size", str(size), "--window", str(window), "-M", str(window)]
        return words + ["--topic", f"flood/{qos}/{count}/{size}/{window}"]

    def instructions(self, _, *scenario):
        return instructions(self.command(*scenario), {})

    def allocations(self, _, *scenario):
        return allocations(self.command(*scenario), {}, self.counter)


def swift_product(package, name):
    """Builds a product of a package for release. Returns its path."""
    command = ["swift", "build", "-c", "release", "--package-path", package, "--product", name]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if built.returncode != 0:
        raise SystemExit(built.stdout)
    return subprocess.run(command + ["--show-bin-path"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() + f"/{name}"


def build(*names):
    """The programs in C that can be built here, by name."""
    os.makedirs(BUILD, exist_ok=True)
    paths = {}
    for name in names:
        command = [CC, "-O2", "-w", "-o", f"{BUILD}/{name}", f"{HERE}/C/{name}.c", *LIBRARIES.get(name, [])]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            paths[name] = [f"{BUILD}/{name}"]
        else:
            print(f"left out: {name} does not build here", file=sys.stderr)
    return paths


def stripped(program):
    """valgrind 3.19 stops at Swift's debug information."""
    path = f"{BUILD}/{os.path.basename(program)}-stripped"
    subprocess.run(["strip", "-o", path, program], check=True)
    return path


def counter():
    """What counts calls of the allocator when it is loaded ahead of a program."""
    path = f"{BUILD}/malloccount.so"
    subprocess.run([CC, "-O2", "-shared", "-fPIC", "-o", path, f"{HERE}/C/malloccount.c"], check=True)
    return path


def instructions(command, environment):
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    return number(execute(valgrind, environment, 300, errors=True), r"Collected : (\d+)")


def allocations(command, environment, counter):
    return number(execute(command, {**environment, "LD_PRELOAD": counter}, 60, errors=True), r"ALLOCATIONS count=(\d+)")


class Awake:
    """Keeps the processors from sleeping: a program on each, which gives way to every other one."""

    SPIN = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"

    def __init__(self, wanted):
        self.wanted = wanted and hasattr(os, "SCHED_IDLE")
        self.programs = []

    def __enter__(self):
        if self.wanted:
            self.programs = [subprocess.Popen([sys.executable, "-c", self.SPIN]) for _ in range(os.cpu_count() or 1)]
            time.sleep(0.2)

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
            program.wait()


def execute(command, environment, timeout, errors=False):
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if errors else subprocess.DEVNULL, timeout=timeout, check=False,
            text=True, errors="replace", env={**os.environ, **environment}).stdout
    except subprocess.TimeoutExpired:
        return ""


def fields(output):
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return {key: value for key, value in (field.split("=", 1) for field in line.split()[1:])}
    return None


def number(output, pattern):
    found = re.search(pattern, output)
    return int(found.group(1)) if found else None


class Server:
    """A process that listens on a free port of the loopback interface, for as long as the context lasts."""

    def __init__(self, command):
        """`command` makes the command line for a port."""
        self.port = free_port()
        words = command(self.port)
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not accepts(self.port):
            self.__exit__()
            raise SystemExit(f"{words[0]} does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class NullBroker(Server):
    """Takes everything and acknowledges it."""

    def __init__(self, programs):
        super().__init__(lambda port: programs.paths["nullbroker"] + [str(port)])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    """Whether something listens there, within four seconds."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def median(results, key):
    values = [float(result[key]) for result in results if result and key in result]
    return statistics.median(values) if values else None


def needs(program):
    if not shutil.which(program):
        raise SystemExit(f"there is no {program}: apt-get install {program}")
