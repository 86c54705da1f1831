"""Command lines of mosquitto_pub and mosquitto_sub, run by Mosquitto's commands and by ours: what comes out must be the same."""

import re
import subprocess
import time
import unittest

from support import Child, Mosquitto, mqttc, run

# Command lines of mosquitto_pub; the second value is standard input. A subscriber sees what they publish.
PUBLISHES = [
    ("-t T/a -m hello", b""),
    ("-t T/a -m hello -q 1", b""),
    ("-t T/a -m hello -q 2", b""),
    ("--topic T/a --message hello --qos 1", b""),
    ("-t T/a -m hello -r", b""),
    ("-t T/a -m hello --retain -q 1", b""),
    ("-t T/a -n", b""),
    ("-t T/a -n -r", b""),
    ("-t T/a --null-message -q 2", b""),
    ("-t T/a -s", b"all of\nit\n"),
    ("-t T/a --stdin-file -q 1", b"\x00\x01\xff\n\r\n\x00"),
    ("-t T/a -s", b""),                                         # an empty input is an error
    ("-t T/a -l", b"one\n\ntwo\r\nthree"),
    ("-t T/a --stdin-line -q 1", b"one\ntwo\n"),
    ("-t T/a -l -q 2", b""),
    ("-t T/a -f FILE", b""),
    ("-t T/a --file FILE -q 2", b""),
    ("-t T/a -f EMPTY", b""),
    ("-t T/a -f /nonexistent/file", b""),
    ("-t T/a -m again --repeat 3", b""),
    ("-t T/a -m again --repeat 2 --repeat-delay 0.01 -q 1", b""),
    ("-t T/a -n --repeat 2", b""),
    ("-t T/a -m x --repeat 0", b""),
    ("-t T/a -m x --repeat-delay -1", b""),
    ("-t T/a -m first -t T/b", b""),                            # the last one counts
    ("-t T/a -m -q", b""),                                      # a payload that looks like an option
    ("-t T/a -m -h", b""),
    ("-t T/-t -m x", b""),
    ("-t T/ü/€ -m ü€", b""),
    ("-t T//a/ -m x", b""),
    ("-t T/a -m x -i some-client", b""),
    ("-t T/a -m x --id some-client -c -q 1", b""),
    ("-t T/a -m x -c", b""),                                    # -c needs -i
    ("-t T/a -m x -I prefix-", b""),
    ("-t T/a -m x -k 30 --keepalive 60", b""),
    ("-t T/a -m x -V mqttv311", b""),
    ("-t T/a -m x -V 311", b""),
    ("-t T/a -m x -V nonsense", b""),
    ("-t T/a -m x -M 5 -q 1", b""),
    ("-t T/a -m x --nodelay", b""),
    ("-t T/a -m x --quiet", b""),
    ("-t T/a -m x -u user", b""),
    ("-t T/a -m x -u user -P password", b""),
    ("-t T/a -m x --username user --pw password", b""),
    ("-t T/a -m x -P password", b""),                           # a password needs a user
    ("-t T/a -m x --will-topic T/will --will-payload gone --will-qos 1 --will-retain", b""),
    ("-t T/a -m x --will-payload gone", b""),
    ("-t T/a -m x --will-topic T/#", b""),
    ("-t T/a -m x --will-topic T/will --will-qos 3", b""),
    ("-t T/# -m x", b""),
    ("-t T/+/a -m x", b""),
    ("-t T/a", None),                                           # no message; ours would read a terminal
    ("-m x", b""),
    ("-t T/a -m x -n", b""),
    ("-t T/a -m x -l", b""),
    ("-t T/a -m x -m y", b""),
    ("-t T/a -m x -f FILE", b""),
    ("-t T/a -f FILE -f FILE", b""),
    ("-t T/a -n -n", b""),
    ("-t T/a -l -l", b"x\n"),
    ("-t T/a -s -l", b"x\n"),
    (b"-t T/a -m x\xff\xfey", b""),                            # no UTF-8, which a payload need not be
    (b"-t T/a -m \xc3 -q 1", b""),
    (b"-t T/a -m x --will-topic T/will --will-payload \xff", b""),
    (b"-t T/a\xff -m x", b""),                                  # a topic must be
    ("-t T/a -m x -k -1", b""),
    ("-t T/a -m x --repeat -1", b""),
    ("-t T/a -m x -M -1", b""),
    ("-t T/a -m x -q 3", b""),
    ("-t T/a -m x -q", b""),
    ("-t T/a -m x --nosuch", b""),
    ("-t T/a -m x -p nonsense", b""),
]

# Command lines of mosquitto_sub. The same messages are published for both.
SUBSCRIBES = [
    "-t T/# -C 6",
    "-t T/# -C 6 -v",
    "-t T/# -C 3 -q 1",
    "-t T/# -C 6 -q 2 --verbose",
    "--topic T/# -C 6 --qos 2",
    "-t T/text -t T/json -C 3 -v",
    "-t T/+ -C 6 -N",
    "-t T/# -C 6 -v -N",
    "-t T/# -T T/text -C 2 -v",
    "-t T/# --filter-out T/text -T T/empty -C 2 -v",
    "-t T/# -R -C 6 -v",
    "-t K/# -C 2 -v",
    "-t K/# -R -W 1 -v",
    "-t K/# --retained-only -W 1 -v",
    "-t K/# -t T/# --retained-only -v",
    "-t T/# -C 6 -F %t|%q|%r|%l|%p",
    "-t T/# -C 6 -q 2 -F %t|%q|%r|%m|%x|%X",
    "-t T/# -C 4 -F %20t|%-20t|%5.2t|%.2t|%05t|%-t|%0t",
    "-t T/# -C 4 -F %05l|%-5l|%5l|%-05l|%3m|%5q|%5r",
    "-t T/text -C 3 -F %x|%X|%.4x|%20p|%-20p|%020p|%.2p",
    r"-t T/# -C 4 -F a\tb\\c\e[1m%%@@\0\a\r\v\n",
    "-t T/# -C 4 -F [%A][%C][%D][%E][%F][%P][%R][%S]",
    "-t T/# -C 4 -F [%5A][%05E][%5C][%-5S]",
    "-t T/# -C 4 -F %j",
    "-t T/# -C 6 -T T/binary -W 1 -q 2 -F %j",
    "-t T/json -C 1 -F %J",
    "-t T/json -C 1 -F <%J>",
    "-t T/text -C 1 -F <%J>",
    "-t T/json -C 1 -F %j --pretty",
    "-t T/json -C 1 -F %J --pretty",
    "-t T/# -C 1 -F @Y-@m-@d",
    "-t T/# -C 1 -N -F x",
    "-t T/# -C 2 -F %l -v",
    "-t T/# -E",
    "-t T/# -E -q 2 -v",
    "-t T/# -c -i durable -E -q 1",
    "-t T/# -c -E",
    "-t T/# -W 1 -C 20",
    "-t T/# -t T/# -C 6",
    "-t T/a/+/c -t +/text -C 2",
    "-t T/# -U T/# -E",
    "-t T/# -i name -k 20 -V mqttv311 -C 1",
    "-t T/# -u user -P password -C 1",
    "-t T/# --will-topic T/will --will-payload gone --will-qos 2 --will-retain -C 1",
    "-t T/# --quiet -C 1",
    "-t T/#/x -C 1",
    "-t T/x# -C 1",
    "-C 1",
    "-t T/# -C 0",
    "-t T/# -C -1",
    "-t T/# -W 0",
    "-t T/# -R --retained-only",
    "-t T/# -T x#",
    "-t T/# -q 5",
    "-t T/# -F %z",
    "-t T/# -F %",
    "-t T/# -F %5",
    "-t T/# -F %--5t",
    r"-t T/# -F a\z",
    r"-t T/# -F a\ ",
    "-t T/# -F @",
    "-t T/# --nosuch",
    "-t T/# -t",
    "-t T/# --will-payload x",
]

# What the subscribers get: topic, payload, QoS.
MESSAGES = [
    ("text", b"hello world", 0), ("text", b'quo"te \\ \t end', 1), ("json", b'{"a":[1, 2,  {"b" : null}], "c":"x/y"}', 2),
    ("text", "grüße €".encode(), 2), ("empty", b"", 1), ("binary", b"\x00\x01\xff\n\r", 0),
]
KEPT = [("first", b"kept"), ("second", b"kept too")]

# Where ours differs on purpose: standard output of ours, and whether the status is 0. Documentation/mqttc.md lists each with its reason.
DIFFERENT = [
    # A width is the least one: it does not cut the payload.
    ("-t T/# -C 1 -F %24x|", b"  68656c6c6f20776f726c64|\n", True),
    # What is not UTF-8 is told as base64, not cut.
    ("-t T/binary -C 1 -F %j", b'{"tst":"time","topic":"T/binary","qos":0,"retain":0,"payloadlen":5,"payloadBase64":"AAH/Cg0="}\n', True),
    # Options of MQTT 5.0 are refused, not ignored.
    ("-t T/# -E -x 10", b"", False),
    ("-t T/# -E -D subscribe user-property a b", b"", False),
]


class SideBySide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mosquitto()
        cls.broker.path("file", b"the content of\na file\n")
        cls.broker.path("empty", b"")
        for topic, payload in KEPT:
            run(["mosquitto_pub", "-p", str(cls.broker.port), "-t", f"K/{topic}", "-r", "-s", "-q", "1"], payload)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def words(self, text, topic):
        if isinstance(text, bytes):
            return [word.replace(b"T/", topic.encode() + b"/") for word in text.split(b" ")]
        files = {"FILE": self.broker.path("file"), "EMPTY": self.broker.path("empty")}
        words = [re.sub(r"\bT/", topic + "/", word) for word in text.split(" ")]
        return [files.get(word, word) for word in words]

    def topic(self):
        type(self).count += 1
        return f"t{self.count}"

    def published(self, program, text, stdin):
        """What a subscriber saw of a command line, and whether the status was 0."""
        topic = self.topic()
        port = ["-p", str(self.broker.port)] if "-p " not in str(text) else []
        watcher = Child(["mosquitto_sub", "-p", str(self.broker.port), "-t", topic + "/#", "-t", f"end/{topic}", "-q", "2", "-F", "%t %q %x"])
        try:
            self.broker.wait_for(f" 2 end/{topic}\n")
            child = Child([*program, *port, *self.words(text, topic)], stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
            status, _, errors = child.end(stdin)
            retained = run(["mosquitto_sub", "-p", str(self.broker.port), "-t", topic + "/#", "--retained-only", "-W", "1", "-F", "%t %x"])[1] \
                if re.search("-r|--retain", str(text)) else b""
            run(["mosquitto_pub", "-p", str(self.broker.port), "-t", f"end/{topic}", "-n", "-q", "2"])
            seen = b""
            while f"end/{topic}".encode() not in seen:
                seen += watcher.process.stdout.readline()
        finally:
            watcher.signal(15)
            watcher.end()
        return [(seen + retained).replace(topic.encode(), b"T"), status == 0], errors

    def test_publishes(self):
        for text, stdin in PUBLISHES:
            with self.subTest(text):
                theirs, their_errors = self.published(["mosquitto_pub"], text, stdin)
                ours, our_errors = self.published([mqttc(), "pub"], text, stdin)
                if stdin is None:
                    # Ours takes standard input, here an empty file.
                    self.assertTrue(ours[1])
                    continue
                self.assertEqual(theirs, ours, (their_errors[:200], our_errors[:400]))

    def received(self, program, text):
        """Standard output of a command line, and whether the status was 0."""
        topic = self.topic()
        port = str(self.broker.port)
        before = self.broker.log().count("Sending SUBACK")
        child = Child([*program, "-p", port, *self.words(text, topic)])
        until = time.monotonic() + 20
        while self.broker.log().count("Sending SUBACK") == before and child.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if child.process.poll() is None:
            for name, payload, qos in MESSAGES:
                stdin = [] if payload else ["-n"]
                run(["mosquitto_pub", "-p", port, "-t", f"{topic}/{name}", "-q", str(qos), *(stdin or ["-s"])], payload)
        status, output, errors = child.end()
        output = re.sub(rb'"tst":(\t?)"[^"]*"', rb'"tst":\1"time"', output.replace(topic.encode(), b"T"))
        return [output, status == 0], errors

    def test_subscribes(self):
        for text in SUBSCRIBES:
            with self.subTest(text):
                theirs, their_errors = self.received(["mosquitto_sub"], text)
                ours, our_errors = self.received([mqttc(), "sub"], text)
                if "-q 2" in text or "--qos 2" in text:
                    # mosquitto_sub prints a message of QoS 2 after its last packet; ours in the order in which they were sent.
                    theirs[0], ours[0] = sorted(theirs[0].split(b"\n")), sorted(ours[0].split(b"\n"))
                self.assertEqual(theirs, ours, (their_errors[:200], our_errors[:400]))

    def test_prints_in_the_order_of_sending(self):
        (output, succeeded), _ = self.received([mqttc(), "sub"], "-t T/# -C 6 -q 2 -F %q")
        self.assertEqual((output.split(), succeeded), ([str(message[2]).encode() for message in MESSAGES], True))

    def test_differences(self):
        for text, expected, succeeds in DIFFERENT:
            with self.subTest(text):
                theirs, _ = self.received(["mosquitto_sub"], text)
                ours, errors = self.received([mqttc(), "sub"], text)
                self.assertEqual(ours, [expected, succeeds], errors[:400])
                self.assertNotEqual(theirs, ours)


if __name__ == "__main__":
    unittest.main()
