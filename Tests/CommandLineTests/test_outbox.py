"""pub --outbox: accepted on disk, delivered when there is a connection, safe against kill."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support import LIMIT, Child, Mosquitto, free_port, mqttc, run


class Outbox(unittest.TestCase):
    def setUp(self):
        self.broker = Mosquitto("max_queued_messages 0")  # else it drops what a slow subscriber has not taken
        self.addCleanup(self.broker.close)
        self.port = str(self.broker.port)
        directory = tempfile.mkdtemp(prefix="mqttc-outbox-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.outbox = os.path.join(directory, "outbox")

    def publish(self, port, *words, stdin=b""):
        return run([mqttc(), "pub", "-p", port, "--outbox", self.outbox, *words], stdin)

    def received(self, count):
        """What a subscriber gets, once it is subscribed and the publisher has run."""
        child = Child(["mosquitto_sub", "-p", self.port, "-t", "box/#", "-q", "2", "-C", str(count), "-F", "%t %q %p"])
        self.broker.wait_for(" 2 box/#\n")
        return child

    def test_delivers_at_once(self):
        subscriber = self.received(2)
        self.assertEqual(self.publish(self.port, "-t", "box/a", "-m", "one", "-q", "1")[0], 0)
        self.assertEqual(self.publish(self.port, "-t", "box/b", "-m", "two", "-q", "2")[0], 0)
        self.assertEqual(subscriber.end()[1], b"box/a 1 one\nbox/b 2 two\n")

    def test_accepts_without_a_connection(self):
        away = str(free_port())
        for number in range(3):
            status, _, errors = self.publish(away, "-t", "box/a", "-m", str(number), "-q", "1")
            self.assertEqual(status, 0)
            self.assertIn(b"waits in", errors)
        self.assertEqual(self.publish(away, "--flush")[0], 69)
        subscriber = self.received(4)
        # The next run takes all of them along, in order.
        self.assertEqual(self.publish(self.port, "-t", "box/a", "-m", "3", "-q", "1")[0], 0)
        self.assertEqual(subscriber.end()[1], b"".join(b"box/a 1 %d\n" % number for number in range(4)))
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)

    def test_many_lines_without_a_connection(self):
        lines = b"".join(b"%d\n" % number for number in range(5000))
        self.assertEqual(self.publish(str(free_port()), "-t", "box/l", "-l", "-q", "1", stdin=lines)[0], 0)
        subscriber = self.received(5000)
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)
        self.assertEqual(subscriber.end()[1], b"".join(b"box/l 1 %d\n" % number for number in range(5000)))

    def test_survives_a_kill(self):
        """Killed again and again while it accepts: what was told as stored is delivered, in order and without gaps."""
        subscriber = Child(["mosquitto_sub", "-p", self.port, "-t", "box/k", "-q", "1", "-F", "%p"])
        self.broker.wait_for(" 1 box/k\n")
        next_number = 0
        for _ in range(5):
            child = subprocess.Popen([mqttc(), "pub", "-p", str(free_port()), "--outbox", self.outbox, "-t", "box/k", "-l", "-q", "1"],
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(200):
                child.stdin.write(b"%d\n" % next_number)
                next_number += 1
            child.stdin.flush()
            # Something must be on disk, however slow the machine is; how much is for the moment to say.
            until = time.monotonic() + LIMIT
            while self.size() < 1000 and time.monotonic() < until:
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdin.close()
        self.assertEqual(self.publish(self.port, "-t", "box/k", "-m", "end", "-q", "1")[0], 0)
        got = []
        while not got or got[-1] != b"end":
            got.append(subscriber.process.stdout.readline().strip())
        subscriber.signal(signal.SIGTERM)
        subscriber.end()
        numbers = [int(line) for line in got[:-1]]
        self.assertGreater(len(numbers), 0)
        self.assertEqual(numbers, sorted(set(numbers)), "in order, each once")
        for start in range(0, next_number, 200):        # of each run a beginning without gaps
            part = [number for number in numbers if start <= number < start + 200]
            self.assertEqual(part, list(range(start, start + len(part))))

    def size(self):
        if not os.path.isdir(self.outbox):
            return 0
        return sum(os.path.getsize(os.path.join(self.outbox, name)) for name in os.listdir(self.outbox))

    def test_a_message_that_is_lost_on_disk_is_told_and_fails_once(self):
        for number in range(3):
            self.assertEqual(self.publish(str(free_port()), "-t", "box/a", "-m", f"message{number}", "-q", "1")[0], 0)
        segments = sorted(name for name in os.listdir(self.outbox) if name.startswith("journal-"))
        damaged = 0
        for name in segments:
            with open(os.path.join(self.outbox, name), "r+b") as file:
                content = file.read()
                if b"message1" in content:
                    file.seek(content.index(b"message1"))
                    damaged += file.write(b"XXXX")
        self.assertEqual(damaged, 4)
        subscriber = self.received(2)
        status, _, errors = self.publish(self.port, "--flush")
        self.assertEqual(status, 74)
        self.assertIn(b"and lost", errors)
        # Those beside it arrive, and that is all there is to say.
        self.assertEqual(subscriber.end()[1], b"box/a 1 message0\nbox/a 1 message2\n")
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)

    def test_refuses_what_it_cannot_honour(self):
        self.assertEqual(self.publish(self.port, "-t", "box/a", "-m", "x")[0], 64)              # QoS 0
        self.assertEqual(self.publish(self.port, "--flush", "-t", "a", "-m", "x")[0], 64)
        self.assertEqual(run([mqttc(), "pub", "--flush"])[0], 64)

    def test_a_store_that_cannot_be_used(self):
        with open(self.outbox, "w") as file:
            file.write("no directory")
        status, _, errors = self.publish(self.port, "-t", "box/a", "-m", "x", "-q", "1")
        self.assertEqual(status, 74, errors)

    def test_a_message_that_the_broker_rejects_is_named(self):
        """It waits, and what is behind it; nothing hangs."""
        strict = Mosquitto("max_packet_size 2000")
        self.addCleanup(strict.close)
        port = str(strict.port)
        self.assertEqual(self.publish(str(free_port()), "-t", "box/first", "-m", "x", "-q", "1")[0], 0)
        status, _, errors = self.publish(port, "-t", "box/large", "-m", "x" * 5000, "-q", "1")
        self.assertEqual(status, 65, errors)
        self.assertIn(b"rejects the message to box/large, of 5,000 bytes", errors)
        self.assertIn(b"waits in", errors)
        for words in (["--flush"], ["-t", "box/behind", "-m", "y", "-q", "2"]):
            status, _, errors = self.publish(port, *words)
            self.assertEqual(status, 65, errors)
            self.assertIn(b"box/large", errors)
        # A broker that takes it gets everything.
        subscriber = self.received(2)
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)
        self.assertEqual(subscriber.end()[1], b"box/large 1 " + b"x" * 5000 + b"\nbox/behind 2 y\n")

    def test_the_message_that_waits_first_can_be_dropped(self):
        strict = Mosquitto("max_packet_size 2000")
        self.addCleanup(strict.close)
        self.assertEqual(self.publish(str(strict.port), "-t", "box/large", "-m", "x" * 5000, "-q", "1")[0], 65)
        self.assertEqual(self.publish(str(strict.port), "-t", "box/behind", "-m", "y", "-q", "2")[0], 65)
        status, _, errors = self.publish(str(free_port()), "--drop-first")
        self.assertEqual((status, errors), (0, b"mqttc: dropped the message to box/large, of 5,000 bytes\n"))
        subscriber = self.received(1)
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)
        self.assertEqual(subscriber.end()[1], b"box/behind 2 y\n")
        status, _, errors = self.publish(self.port, "--drop-first")
        self.assertEqual(status, 1, errors)
        self.assertIn(b"nothing waits", errors)
        for words in (["--drop-first", "--flush"], ["--drop-first", "-t", "a", "-m", "b"]):
            self.assertEqual(self.publish(self.port, *words)[0], 64)

    def test_a_message_that_cannot_be_dropped_on_disk_is_not_told_as_dropped(self):
        self.assertEqual(self.publish(str(free_port()), "-t", "box/x", "-m", "x", "-q", "1")[0], 0)
        # What is there can be read, and a new file takes nothing of use.
        size = max(entry.stat().st_size for entry in os.scandir(self.outbox)) // 2
        status, _, errors = run([mqttc(), "pub", "--outbox", self.outbox, "--drop-first"], restore_signals=False,
                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        self.assertEqual(status, 74, errors)
        self.assertNotIn(b"dropped", errors)
        subscriber = self.received(1)
        self.assertEqual(self.publish(self.port, "--flush")[0], 0)
        self.assertEqual(subscriber.end()[1], b"box/x 1 x\n")

    def test_a_topic_that_the_broker_rejects_is_named(self):
        status, _, errors = self.publish(self.port, "-t", "box/\a", "-m", "x", "-q", "1")
        self.assertEqual(status, 65, errors)
        self.assertIn(b"has U+0007", errors)
        self.assertIn("rejects the message to box/·".encode(), errors)

    def test_waits_for_another_run(self):
        """One at a time has the directory: the next takes its turn."""
        first = Child([mqttc(), "pub", "-p", self.port, "--outbox", self.outbox, "-t", "box/l", "-l", "-q", "1"], stdin=subprocess.PIPE)
        first.process.stdin.write(b"one\n")
        first.process.stdin.flush()
        self.broker.wait_for("'box/l'")
        status, _, errors = self.publish(self.port, "-t", "box/m", "-m", "x", "-q", "1", "-W", "0.2")
        self.assertEqual(status, 74)
        self.assertIn(b"for longer than 0.2 s: try again when it has ended", errors)
        second = Child([mqttc(), "pub", "-p", self.port, "--outbox", self.outbox, "-t", "box/m", "-m", "x", "-q", "1", "-W", "60"])
        self.assertEqual(first.end(b"two\n")[0], 0)
        self.assertEqual(second.end()[0], 0)
        self.broker.wait_for("'box/m'")

    def test_a_signal_tells_how_much_was_accepted(self):
        child = Child([mqttc(), "pub", "-p", self.port, "--outbox", self.outbox, "-t", "box/s", "-l", "-q", "1"], stdin=subprocess.PIPE)
        child.process.stdin.write(b"one\ntwo\n")
        child.process.stdin.flush()
        self.broker.wait_for("'box/s'", 2)
        child.signal(signal.SIGTERM)
        # Its input is still open.
        self.assertEqual(child.process.wait(LIMIT), 143)
        self.assertIn(b"2 messages were accepted\n", child.end()[2])

    def test_credentials_that_are_refused_are_told(self):
        closed = Mosquitto(users={"user": "secret"})
        self.addCleanup(closed.close)
        status, _, errors = self.publish(str(closed.port), "-t", "box/a", "-m", "x", "-q", "1")
        self.assertEqual(status, 77)
        self.assertIn(b"waits in", errors)

    def test_bench_with_a_store(self):
        for qos in ("1", "2", "1"):      # the second time the store has the identifier of the first
            status, output, errors = run([mqttc(), "bench", "pub", "-p", self.port, "--store", self.outbox, "--qos", qos, "--count", "500",
                                          "--window", "50", "--json"])
            self.assertEqual(status, 0, errors)
            self.assertIn(b'"count":500', output)
            self.assertIn(b'"lost":0', output)
            self.assertGreater(self.size(), 0)
        self.assertEqual(len(set(re.findall(r"as (mqttc\S*) ", self.broker.log()))), 1)


if __name__ == "__main__":
    unittest.main()
