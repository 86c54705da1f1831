"""Streams through mqttc and Mosquitto's own commands, in both directions: many lines, binary, empty and large payloads."""

import os
import subprocess
import unittest

from support import Child, Mosquitto, environment, mqttc, run

LINES = int(os.environ.get("MQTTC_TEST_LINES", "100000"))
MIB = 1 << 20
LIMIT = 300     # seconds: 100,000 messages of QoS 2 take Mosquitto a while, on a busy machine all the more


class Pipes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Without this Mosquitto drops what a subscriber has not taken yet; and its log would take longer than the messages.
        cls.broker = Mosquitto("max_queued_messages 0", quiet=True)
        cls.port = str(cls.broker.port)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def exchange(self, subscriber, publisher, qos, stdin, count):
        """What a subscriber prints of what a publisher sends.

        Into a file: behind a full pipe Mosquitto 2.0.11 sends everything at once at QoS 2, and then goes through all of it for
        each PUBREC.
        """
        type(self).count += 1
        topic = f"pipes/{self.count}"
        options = ["-p", self.port, "-t", topic, "-q", str(qos)]
        path = self.broker.path(f"output-{self.count}")
        with open(path, "wb") as printed:
            child = Child([*subscriber, *options, "-C", str(count)], stdout=printed)
            self.broker.wait_for(f" {qos} {topic}\n")
            status, _, errors = run([*publisher, *options], stdin, LIMIT)
            self.assertEqual(status, 0, errors)
            status, _, errors = child.end(limit=LIMIT)
            self.assertEqual(status, 0, errors)
        with open(path, "rb") as printed:
            return printed.read()

    def both_ways(self, subscriber_options, publisher_options, qos, stdin, count):
        yield self.exchange([mqttc(), "sub", *subscriber_options], ["mosquitto_pub", *publisher_options], qos, stdin, count)
        yield self.exchange(["mosquitto_sub", *subscriber_options], [mqttc(), "pub", *publisher_options], qos, stdin, count)

    def lines(self, count):
        return b"".join(b"line %d\n" % number for number in range(count))

    def test_many_lines_to_mosquitto(self):
        text = self.lines(LINES)
        for qos in range(3):
            with self.subTest(qos):
                output = self.exchange(["mosquitto_sub"], [mqttc(), "pub", "-l"], qos, text, LINES)
                if qos == 2:        # mosquitto_sub prints a message when its last packet has come
                    output = b"".join(sorted(output.splitlines(True), key=lambda line: int(line.split()[1])))
                self.assertTrue(output == text, f"{output.count(10)} of {LINES} lines")

    def test_many_lines_from_mosquitto(self):
        """mosquitto_pub 2.0.11 ends early when its 65,535 packet identifiers begin anew, and what was left is lost."""
        for qos in range(3):
            with self.subTest(qos):
                count = LINES if qos == 0 else min(LINES, 30_000)
                output = self.exchange([mqttc(), "sub"], ["mosquitto_pub", "-l"], qos, self.lines(count), count)
                self.assertTrue(output == self.lines(count), f"{output.count(10)} of {count} lines")

    def test_many_lines(self):
        """From end to end with ours."""
        for qos in range(3):
            with self.subTest(qos):
                output = self.exchange([mqttc(), "sub"], [mqttc(), "pub", "-l"], qos, self.lines(LINES), LINES)
                self.assertTrue(output == self.lines(LINES), f"{output.count(10)} of {LINES} lines")

    def test_payloads(self):
        binary = bytes(range(256)) * 5 + b"\0\n\r\n\0"
        for name, payload in (("binary", binary), ("1 MiB", os.urandom(MIB)), ("5 MiB", os.urandom(5 * MIB))):
            for qos in range(3):
                for output in self.both_ways(["-N"], ["-s"], qos, payload, 1):
                    with self.subTest((name, qos)):
                        self.assertTrue(output == payload)

    def test_empty_payloads(self):
        for qos in range(3):
            for output in self.both_ways(["-v"], ["-n"], qos, b"", 1):
                self.assertRegex(output, rb"^pipes/\d+ \(null\)\n$")

    def test_large_payloads_are_not_held_in_memory(self):
        # In pieces: a child begins with what this process holds.
        path = self.broker.path("large", b"")
        with open(path, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(MIB))
        for qos in range(3):
            with self.subTest(qos), open(path, "rb") as file:
                topic = f"large/{qos}"
                options = ["-p", self.port, "-t", topic, "-q", str(qos)]
                output = self.broker.path(f"received-{qos}")
                with open(output, "wb") as received:
                    subscriber = subprocess.Popen([mqttc(), "sub", *options, "-C", "1", "-N"], stdout=received, env=environment())
                self.broker.wait_for(f" {qos} {topic}\n")
                for source in (["-f", path], ["-s"])[qos % 2:qos % 2 + 1]:
                    publisher = subprocess.Popen([mqttc(), "pub", *options, *source], stdin=file, env=environment())
                    self.assert_small(publisher)
                self.assert_small(subscriber)
                self.assertEqual(subprocess.run(["cmp", path, output], check=False).returncode, 0)

    def assert_small(self, process):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(status, 0)
        self.assertLess(usage.ru_maxrss, 48 * 1024, "KiB resident")


if __name__ == "__main__":
    unittest.main()
