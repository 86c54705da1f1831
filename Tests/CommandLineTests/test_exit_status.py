"""Each exit status of the commands, brought about."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import Child, Mosquitto, environment, free_port, mqttc, run


class ScriptedBroker:
    """Answers the first packet of each connection with given bytes, and then what a function says to what it reads."""

    def __init__(self, first, then=None):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.first, self.then, self.count = first, then, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                connection.recv(65536)
                if self.first is not None:
                    connection.sendall(self.first)
                while packet := connection.recv(65536):
                    answer = self.then(packet) if self.then else b""
                    if answer is None:
                        return
                    connection.sendall(answer)
            except OSError:
                pass

    def close(self):
        self.server.close()


class ExitStatus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mosquitto()
        cls.closed = Mosquitto(users={"user": "secret"}, access="user user\ntopic readwrite open/#\n")
        cls.port, cls.closed_port = str(cls.broker.port), str(cls.closed.port)

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()
        cls.closed.close()

    def status(self, *words, stdin=b"", **options):
        status, _, errors = run([mqttc(), *words], stdin, **options)
        if status:
            self.assertTrue(errors, "a failure says why")
        return status

    def scripted(self, first, then=None):
        broker = ScriptedBroker(first, then)
        self.addCleanup(broker.close)
        return str(broker.port)

    def test_0_done(self):
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "a", "-m", "x", "-q", "2"), 0)
        self.assertEqual(self.status("sub", "-p", self.port, "-t", "a", "-E"), 0)

    def test_1_nobody_reads(self):
        publisher = Child([mqttc(), "pub", "-p", self.port, "-t", "pipe", "-r", "-m", "x", "-q", "1"])
        self.assertEqual(publisher.end()[0], 0)
        reading, writing = os.pipe()
        os.close(reading)
        child = subprocess.Popen([mqttc(), "sub", "-p", self.port, "-t", "pipe", "-q", "1"], stdout=writing, stderr=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, env=environment())
        os.close(writing)
        self.assertEqual(child.wait(30), 1)

    def test_74_help_does_not_fit_on_the_disk(self):
        for words in (["--help"], ["--version"], ["pub", "--help"], ["--generate-completion-script", "zsh"]):
            with self.subTest(words), open("/dev/full", "wb") as full:
                child = subprocess.run([mqttc(), *words], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, env=environment())
                self.assertEqual((child.returncode, child.stderr), (74, b"mqttc: standard output: No space left on device\n"))

    def test_messages_name_the_file(self):
        wanted = {
            "pub -t a -m x -h localhost --cafile /x/a": "the trusted roots in /x/a: there is no such file",
            f"pub -t a -m x -h localhost --cert {__file__} --key /x/k": f"the client certificate in {__file__}",
            "pub -t a -m x --outbox /dev/null/o -q 1": "/dev/null/o",
        }
        for words, text in wanted.items():
            with self.subTest(words):
                self.assertIn(text.encode(), run([mqttc(), *words.split()])[2])
        publish = [mqttc(), "pub", "-p", self.port, "-t", "a", "-s"]
        status, _, errors = run(publish, b"x" * 2_000_000, env=environment(TMPDIR="/x/tmp"))
        self.assertEqual((status, errors), (74, b"mqttc: standard input: a temporary file in /x/tmp: No such file or directory\n"))
        status, _, errors = run([mqttc(), "broker", "--port", self.port])
        self.assertEqual((status, errors), (69, f"mqttc: cannot listen on 127.0.0.1:{self.port}: Address already in use\n".encode()))

    def test_64_usage(self):
        for words in ["pub -m x", "pub -t a -m x -q 7", "pub -t a/# -m x", "sub -t a#", "sub -t a -F %z", "pub -t a -m x -V 5", "pub --nosuch",
                      "sub mqtt://h -h h -t a", "pub -t a -m x -D publish", "nosuch", "pub -t a -m x --cafile /x", "pub mqtt://h -t a -m x --cafile /x", "pub -t a -m x --insecure", "pub -t a -m x --cert /x",
                      "pub -t a -m x --proxy nonsense", "sub -t a --json --pretty", "pub -L mqtts://localhost -t a -m x --insecure",
                      "pub -t a -m x -P secret", "req -t a", "pub -t a -m x -m y", "pub -t a -m x -f /x", "pub -t a -l -l"]:
            with self.subTest(words):
                self.assertEqual(self.status(*words.split()), 64)

    def test_64_arguments_that_are_not_text(self):
        for words in (["pub", "-t", b"b/\xff", "-m", "x"], ["pub", "-t", "a", "-m", "x", "-i", b"\xc3"], ["sub", "-t", b"\xff"], [b"\xff"]):
            with self.subTest(words):
                status, _, errors = run([mqttc(), *words])
                self.assertEqual(status, 64)
                self.assertRegex(errors, rb"mqttc: argument \d is not valid UTF-8: \S*\\x[0-9a-f]{2}\n")

    def test_64_says_the_range(self):
        for words, text in (("pub -t a -m x -k -1", "-k is 0 to 65535"), ("pub -t a -m x --repeat -1", "--repeat is 1 to"),
                            ("pub -t a -m x -W -5", "more than 0, and at most 1000000"), ("sub -t a -W 1e300", "at most 1000000"),
                            ("sub -t a -W inf", "at most 1000000"), ("watch -W nan", "at most 1000000"), ("sub -t a -C -1", "-C is 1 to"),
                            ("bench pub --count -1", "--count is 1 to"), ("bench idle --seconds -1", "--seconds is 0 to"),
                            ("broker -p -1", "The port is 0 to"), ("test -W -1", "at most 1000000")):
            with self.subTest(words):
                status, _, errors = run([mqttc(), *words.split()])
                self.assertEqual(status, 64)
                self.assertIn(text, errors.decode())
                self.assertNotIn(b"Missing value", errors)

    def test_64_requests_need_another_version(self):
        for words in (["req"], ["req", "-t", "a", "-e", "b", "-m", "x"], ["req", "-D", "publish"], ["req", "--nosuch"]):
            with self.subTest(words):
                status, _, errors = run([mqttc(), *words])
                self.assertEqual((status, errors), (64, b"mqttc: request and response need MQTT 5.0, which is not there yet\n"))

    def test_65_publish_rejected(self):
        """A broker of 3.1.1 rejects by closing the connection."""
        def close_at_publish(packet):
            return None if packet[0] >> 4 == 3 else b""
        port = self.scripted(b"\x20\x02\x00\x00", close_at_publish)
        for more in ([], ["--quiet", "-d"]):        # the short way, and the usual one
            status, _, errors = run([mqttc(), "pub", "-p", port, "-t", "the/topic", "-m", "x", "-q", "1", *more])
            self.assertEqual(status, 65)
            self.assertTrue(more or b"rejects the message to the/topic" in errors, errors)

    def test_topics_that_brokers_may_refuse_are_told(self):
        """The standard advises against them, and does not forbid them."""
        for topic in ("a\a", "a\x7f", "\uffff"):
            with self.subTest(topic):
                port = self.scripted(b"\x20\x02\x00\x00")
                status, _, errors = run([mqttc(), "pub", "-p", port, "-t", topic, "-m", "x"])
                self.assertEqual(status, 0)
                self.assertIn(b"[MQTT 3.1.1 section 1.5.3]", errors)

    def test_66_subscription_denied(self):
        port = self.scripted(b"\x20\x02\x00\x00", lambda packet: b"\x90\x03" + packet[2:4] + b"\x80" if packet[0] >> 4 == 8 else b"")
        self.assertEqual(self.status("sub", "-p", port, "-t", "a"), 66)
        self.assertEqual(self.status("sub", "-p", port, "-t", "a", "-E"), 66)

    def test_66_in_the_end_when_others_were_granted(self):
        def answer(packet):
            if packet[0] >> 4 != 8:
                return b""
            return b"\x90\x04" + packet[2:4] + b"\x00\x80" + b"\x30\x05\x00\x01axy"
        status, output, errors = run([mqttc(), "sub", "-p", self.scripted(b"\x20\x02\x00\x00", answer), "-t", "a", "-t", "b", "-C", "1"])
        self.assertEqual((status, output), (66, b"xy\n"))
        self.assertIn(b"subscription to b", errors)

    def test_69_unreachable(self):
        self.assertEqual(self.status("pub", "-p", str(free_port()), "-t", "a", "-m", "x"), 69)
        self.assertEqual(self.status("sub", "--unix", "/nonexistent/socket", "-t", "a"), 69)
        self.assertEqual(self.status("sub", "-h", "nosuch.invalid", "-t", "a"), 69)
        self.assertEqual(self.status("sub", "-p", self.scripted(b"\x20\x02\x00\x03"), "-t", "a"), 69)

    def test_74_files(self):
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "a", "-f", "/nonexistent"), 74)

    def test_74_what_cannot_be_read_is_not_empty(self):
        """Empty and retained, it would clear what the broker keeps."""
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "read/kept", "-r", "-m", "precious", "-q", "1"), 0)
        publish = [mqttc(), "pub", "-p", self.port, "-t", "read/kept", "-r", "-q", "1"]
        for file in ("/tmp", "/proc/self/mem"):
            status, _, errors = run([*publish, "-f", file])
            self.assertEqual(status, 74)
            self.assertIn(f"mqttc: {file}: ".encode(), errors)
        directory = os.open("/tmp", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        for more in ([], ["-s"], ["-l"]):
            for stdin, reason in ((directory, b"Is a directory"), (None, b"Bad file descriptor")):
                with self.subTest(more, stdin=stdin):
                    closed = {"preexec_fn": lambda: os.close(0)} if stdin is None else {}
                    status, _, errors = Child([*publish, *more], stdin=stdin, **closed).end()
                    self.assertEqual((status, errors), (74, b"mqttc: standard input: " + reason + b"\n"))
        self.assertEqual(run([mqttc(), "sub", "-p", self.port, "-t", "read/kept", "-C", "1"])[:2], (0, b"precious\n"))

    def test_74_or_64_files_of_secrets_and_options(self):
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "a", "-m", "x", "-u", "me", "--password-file", "/tmp"), 64)
        with tempfile.TemporaryDirectory() as directory:
            os.makedirs(os.path.join(directory, "mqttc", "config"))
            self.assertEqual(self.status("pub", "-p", self.port, "-t", "a", "-m", "x", env=environment(XDG_CONFIG_HOME=directory)), 64)

    def test_74_or_64_what_has_no_end(self):
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "a", "-f", "/dev/zero"), 74)
        with open("/dev/zero", "rb") as zeros:
            self.assertEqual(Child([mqttc(), "pub", "-p", self.port, "-t", "a", "-l"], stdin=zeros).end()[0], 64)

    def test_files_whose_length_only_reading_tells(self):
        with open("/proc/sys/kernel/ostype", "rb") as file:
            content = file.read()
        publish = ["pub", "-p", self.port, "-t", "read/proc", "-r", "-f", "/proc/sys/kernel/ostype"]
        self.assertEqual(self.status(*publish), 0)
        self.assertEqual(run([mqttc(), "sub", "-p", self.port, "-t", "read/proc", "-C", "1", "-N"])[:2], (0, content))

    def test_74_no_room_for_what_is_spooled(self):
        with tempfile.TemporaryDirectory() as directory:
            missing = os.path.join(directory, "gone")
            status = self.status("pub", "-p", self.port, "-t", "a", "-s", stdin=bytes(3 << 20), env=environment(TMPDIR=missing))
        self.assertEqual(status, 74)

    def test_74_standard_output_is_full(self):
        """Nothing that was not written is acknowledged, at any QoS, and nobody is told that it went well."""
        with open("/dev/full", "wb") as full:
            for qos in "01":
                self.assertEqual(self.status("pub", "-p", self.port, "-t", f"full/{qos}", "-r", "-m", "x", "-q", "1"), 0)
                for words in (["sub", "-p", self.port, "-t", f"full/{qos}", "-q", qos, "-C", "1", "-i", "full", "-c"],
                              ["watch", "-p", self.port, "-t", f"full/{qos}", "-C", "1"]):
                    with self.subTest(words):
                        child = subprocess.Popen([mqttc(), *words], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                                 env=environment())
                        errors = child.communicate(timeout=30)[1]
                        self.assertEqual((child.returncode, errors), (74, b"mqttc: standard output: No space left on device\n"))
            for words in (["test", "-p", self.port], ["bench", "rtt", "-p", self.port, "--count", "1", "--json"], ["broker", "-p", "0"]):
                with self.subTest(words):
                    child = subprocess.Popen([mqttc(), *words], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                             env=environment())
                    errors = child.communicate(timeout=30)[1]
                    self.assertEqual(child.returncode, 74)
                    self.assertIn(b"standard output: No space left on device\n", errors)

    def test_74_standard_output_is_full_and_nothing_more_comes(self):
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "full/once", "-r", "-m", "x", "-q", "1"), 0)
        with open("/dev/full", "wb") as full:
            status, _, errors = Child([mqttc(), "sub", "-p", self.port, "-t", "full/once"], stdout=full).end()
        self.assertEqual((status, errors), (74, b"mqttc: standard output: No space left on device\n"))
        # The same when nobody reads.
        reader, writer = os.pipe()
        child = Child([mqttc(), "sub", "-p", self.port, "-t", "full/once"], stdout=writer)
        os.close(reader)
        os.close(writer)
        self.assertEqual(child.end()[0], 1)

    def test_74_no_standard_output_at_all(self):
        """Its number is not given to something else, where a message of seven bytes would be a wake-up of the event loop."""
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "full/seven", "-r", "-m", "1234567", "-q", "1"), 0)

        def close_all():
            os.close(0)
            os.close(1)
        status, _, errors = Child([mqttc(), "sub", "-p", self.port, "-t", "full/seven", "-C", "1"], preexec_fn=close_all).end()
        self.assertEqual((status, errors), (74, b"mqttc: standard output: Bad file descriptor\n"))

    def test_75_time_out(self):
        self.assertEqual(self.status("sub", "-p", self.port, "-t", "nothing", "-W", "0.2"), 75)
        silent = self.scripted(b"\x20\x02\x00\x00")
        self.assertEqual(self.status("pub", "-p", silent, "-t", "a", "-m", "x", "-q", "1", "-W", "0.2"), 75)

    def test_75_says_how_long(self):
        status, _, errors = run([mqttc(), "test", "-p", self.scripted(None), "-W", "0.2"])
        self.assertEqual(status, 75)
        self.assertIn(b"no CONNACK within 0.2 s\n", errors)

    def test_76_protocol(self):
        self.assertEqual(self.status("pub", "-p", self.scripted(b"\x20\x02\x00\x01"), "-t", "a", "-m", "x"), 76)
        self.assertEqual(self.status("pub", "-p", self.scripted(b"\xff\xff\xff\xff\xff\xff"), "-t", "a", "-m", "x"), 76)

    def test_77_not_authorised(self):
        publish = ["pub", "-p", self.closed_port, "-t", "open/a", "-m", "x"]
        self.assertEqual(self.status(*publish), 77)
        self.assertEqual(self.status(*publish, "-u", "user", "-P", "wrong"), 77)
        self.assertEqual(self.status("pub", "-p", self.scripted(b"\x20\x02\x00\x02"), "-t", "a", "-m", "x"), 77)

    def test_129_130_and_143_after_a_clean_disconnect(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                name = f"signal-{number}"
                watcher = Child(["mosquitto_sub", "-p", self.port, "-t", f"will/{name}", "-W", "1"])
                self.broker.wait_for(f" 0 will/{name}\n")
                child = Child([mqttc(), "sub", "-p", self.port, "-t", name, "-i", name, "--will-topic", f"will/{name}", "--will-payload", "gone"])
                self.broker.wait_for(f" 0 {name}\n")
                child.signal(number)
                self.assertEqual(child.end()[0], 128 + number)
                self.broker.wait_for(f"Received DISCONNECT from {name}")
                self.assertEqual(watcher.end()[1], b"", "the will must not fire")

    def test_nohup_is_heeded(self):
        child = Child(["nohup", mqttc(), "sub", "-p", self.port, "-t", "nohup", "-C", "1"])
        self.broker.wait_for(" 0 nohup\n")
        child.signal(signal.SIGHUP)
        self.assertEqual(self.status("pub", "-p", self.port, "-t", "nohup", "-m", "x"), 0)
        self.assertEqual(child.end()[:2], (0, b"x\n"))

    # MARK: Passwords

    def test_passwords(self):
        publish = ["pub", "-p", self.closed_port, "-t", "open/a", "-m", "x", "-u", "user"]
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("secret\nmore\n")
            file.flush()
            self.assertEqual(self.status(*publish, "--password-file", file.name), 0)
        self.assertEqual(self.status(*publish, env=environment(MQTTC_PASSWORD="secret")), 0)
        self.assertEqual(self.status(*publish, "--password-env", "OTHER", env=environment(OTHER="secret")), 0)
        status, _, errors = run([mqttc(), *publish, "-P", "secret"])
        self.assertEqual(status, 0)
        self.assertIn(b"other users can see", errors)
        self.assertNotIn(b"secret", errors)
        status, _, errors = run([mqttc(), "pub", f"mqtt://user:secret@127.0.0.1:{self.closed_port}/open/a", "-m", "x"])
        self.assertEqual(status, 0)
        self.assertIn(b"other users can see", errors)

    def test_passwords_are_not_in_the_process_list(self):
        for words, shown in [(["-P", "secret"], b"******"), (["--pw=secret"], b"--pw=******"),
                             ([f"mqtt://user:secret@127.0.0.1:{self.closed_port}"], b"mqtt://user:******@127.0.0.1"),
                             ([f"--url=mqtt://user:secret@127.0.0.1:{self.closed_port}"], b"--url=mqtt://user:******@127.0.0.1")]:
            with self.subTest(words):
                filter = f"open/{len(shown)}"
                where = [] if "://" in words[0] else ["-u", "user", "-p", self.closed_port]
                child = Child([mqttc(), "sub", "-t", filter, *where, *words])
                self.closed.wait_for(f" 0 {filter}\n")
                with open(f"/proc/{child.process.pid}/cmdline", "rb") as file:
                    line = file.read()
                child.signal(signal.SIGTERM)
                child.end()
                self.assertNotIn(b"secret", line)
                self.assertIn(shown, line)

    def test_asks_for_the_password_on_the_terminal(self):
        import pty
        leader, follower = pty.openpty()
        child = subprocess.Popen(
            ["setsid", "--ctty", mqttc(), "pub", "-p", self.closed_port, "-t", "open/a", "-m", "x", "-u", "user", "--ask-password"],
            stdin=follower, stdout=follower, stderr=follower, env=environment())
        os.close(follower)
        shown = b""
        while b"Password: " not in shown:
            shown += os.read(leader, 1024)
        os.write(leader, b"secret\n")
        self.assertEqual(child.wait(30), 0)
        try:
            while more := os.read(leader, 1024):
                shown += more
        except OSError:
            pass        # Linux: the other end is closed
        os.close(leader)
        self.assertNotIn(b"secret", shown)

    # MARK: The defaults file

    def test_defaults_file(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "mqttc"))
            path = os.path.join(directory, "mqttc", "config")
            with open(path, "w") as file:
                file.write(f"# the broker\n-h 127.0.0.1\n--port={self.port}\n\n[sub]\n-C 1\n[pub]\n-t nowhere\n")
            env = environment(XDG_CONFIG_HOME=directory)
            subscriber = Child([mqttc(), "sub", "-t", "defaults"], env=env)
            self.broker.wait_for(" 0 defaults\n")
            self.assertEqual(self.status("pub", "-t", "defaults", "-m", "x y", env=env), 0)     # the command line wins
            self.assertEqual(subscriber.end()[:2], (0, b"x y\n"))
            # An address on the command line puts all of the file's aside.
            self.assertEqual(self.status("pub", f"mqtt://127.0.0.1:{free_port()}", "-t", "a", "-m", "x", env=env), 69)
            for text, complaint in (("nonsense\n", "config:1: "), ("\n--hots x\n", "config:2: no command has an option --hots"),
                                    ("[pub]\n-v\n", "config:2: pub has no option -v"), ("-u me\n-q 7\n", "config:2: "),
                                    ("[pub]\n-k 99999\n", "config:2: -k is 0 to 65535 seconds")):
                with self.subTest(text):
                    with open(path, "w") as file:
                        file.write(text)
                    status, _, errors = run([mqttc(), "pub", "-t", "a", "-m", "x"], env=env)
                    self.assertEqual(status, 64)
                    self.assertIn(complaint, errors.decode())

    def test_the_command_line_wins_over_what_it_excludes(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "mqttc"))
            with open(os.path.join(directory, "mqttc", "config"), "w") as file:
                file.write("-u me\n--password-file /nonexistent\n-i same\n--cafile /nonexistent\n[sub]\n--json\n--retained-only\n")
            env = environment(XDG_CONFIG_HOME=directory)
            self.assertEqual(self.status("pub", "-p", self.port, "-t", "wins", "-m", "x", "-r"), 0)
            words = ["sub", f"mqtt://127.0.0.1:{self.port}", "-P", "x", "-I", "pre", "-F", "<%p>", "-t", "wins", "-C", "1"]
            self.assertEqual(run([mqttc(), *words], env=env)[:2], (0, b"<x>\n"))
            self.assertEqual(self.status(*words, "-R", "-W", "0.2", env=env), 75)

    def test_defaults_are_for_the_commands_that_have_them(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "mqttc"))
            with open(os.path.join(directory, "mqttc", "config"), "w") as file:
                file.write(f"-h 127.0.0.1\n--port={self.port}\n-q 1\n-v\n-C 1\n--seconds 0\n")
            env = environment(XDG_CONFIG_HOME=directory)
            self.assertEqual(self.status("pub", "-t", "defaults/kept", "-m", "x", "-r", env=env), 0)
            self.assertRegex(self.broker.log(), r"q1, r1, m\d+, 'defaults/kept'")
            self.assertEqual(run([mqttc(), "sub", "-t", "defaults/kept"], env=env)[:2], (0, b"defaults/kept x\n"))
            for words in (["test"], ["bench", "idle"], ["bench", "rtt"]):
                self.assertEqual(self.status(*words, "--json", env=env), 0)

    def test_version(self):
        status, output, _ = run([mqttc(), "--version"])
        self.assertEqual(status, 0)
        self.assertRegex(output, rb"^mqttc \d+\.\d+\.\d+ \(MQTT 3\.1\.1\)\n$")

    def test_help_is_not_ragged(self):
        """No line is broken twice, and no default is told twice."""
        for command in ([], ["pub"], ["sub"], ["test"], ["bench"], ["bench", "pub"], ["bench", "sub"], ["bench", "rtt"], ["bench", "idle"],
                        ["watch"], ["pipe"], ["broker"], ["demo"]):
            with self.subTest(command):
                text = run([mqttc(), *command, "--help"], env=environment(COLUMNS="80"))[1].decode()
                self.assertNotRegex(text, r"\(default: [^()]*\)\s+\(default")
                lines = text.split("USAGE:")[0].split("\n")
                for line, following in zip(lines, lines[1:]):
                    # A line of flowing text that is followed by another is as long as it can be.
                    if line and following and not line.startswith(" ") and not following.startswith(" ") and not line.endswith(":"):
                        self.assertGreaterEqual(len(line) + 1 + len(following.split(" ")[0]), 80, line)
                    if line.startswith("  "):
                        self.assertTrue(not following or following.startswith("  "), f"{line}\n{following}")

    def test_mosquittos_names(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("mosquitto_pub", "mosquitto_sub"):
                os.symlink(mqttc(), os.path.join(directory, name))
            subscriber = Child([os.path.join(directory, "mosquitto_sub"), "-p", self.port, "-t", "linked", "-C", "1"])
            self.broker.wait_for(" 0 linked\n")
            status = run([os.path.join(directory, "mosquitto_pub"), "-p", self.port, "-t", "linked", "-m", "x"])[0]
            self.assertEqual((status, subscriber.end()[1]), (0, b"x\n"))

    def test_statuses_are_documented(self):
        text = run([mqttc(), "--help"])[1].decode()
        tested = {int(number) for name in dir(self) for number in re.findall(r"\d+", name)} | {64}
        for status in (0, 1, 64, 65, 66, 69, 74, 75, 76, 77, 129, 130, 143):
            self.assertRegex(text, rf"\b{status}\b")
            self.assertIn(status, tested)


if __name__ == "__main__":
    unittest.main()
