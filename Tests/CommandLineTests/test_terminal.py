"""watch and bench in a real terminal: tmux shows what the screen shows."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

from support import LIMIT, Child, Mosquitto, environment, mqttc, run


class Terminal:
    """A program in a terminal of its own, with its own tmux server."""

    def __init__(self, words, columns=100, rows=30):
        self.directory = tempfile.mkdtemp(prefix="mqttc-tmux-")
        self.socket = os.path.join(self.directory, "tmux")
        self.status = os.path.join(self.directory, "status")
        # The shell stays, so that the screen can still be read when the program has ended.
        command = f"trap : INT; {shlex.join(words)}; echo $? >{self.status}.new; mv {self.status}.new {self.status}; sleep {2 * LIMIT}"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "/bin/sh", "-c", command)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], check=True, stdout=subprocess.PIPE,
                              env=environment(TERM="xterm-256color", LC_ALL="C.UTF-8")).stdout.decode()

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, pattern, absent=False):
        """Returns the screen once it has, or no longer has, the pattern."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            screen = self.screen()
            if bool(re.search(pattern, screen, re.MULTILINE)) != absent:
                return screen
            time.sleep(0.05)
        raise AssertionError(f"the screen never {'lost' if absent else 'had'} {pattern!r}:\n{screen}")

    def exit_status(self):
        until = time.monotonic() + LIMIT
        while not os.path.exists(self.status):
            if time.monotonic() > until:
                raise AssertionError("it does not end:\n" + self.screen())
            time.sleep(0.05)
        with open(self.status) as file:
            return int(file.read())

    def close(self):
        try:
            self.tmux("kill-server")
        except subprocess.CalledProcessError:
            pass        # it has ended
        shutil.rmtree(self.directory, ignore_errors=True)


class InTerminal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("tmux"):
            raise unittest.SkipTest("tmux is not installed: run scripts/test, or apt-get install tmux")
        cls.broker = Mosquitto()
        cls.port = str(cls.broker.port)

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def terminal(self, *words, **options):
        terminal = Terminal([mqttc(), *words, "-p", self.port], **options)
        self.addCleanup(terminal.close)
        return terminal

    def publish(self, topic, payload, *options):
        self.assertEqual(run([mqttc(), "pub", "-p", self.port, "-t", topic, "-m", payload, "-q", "1", *options])[0], 0)

    def test_watch_shows_a_tree(self):
        self.publish("house/kitchen/temperature", "20.8 C", "-r")
        terminal = self.terminal("watch", "-t", "house/#")
        terminal.wait_for(r"▸ house \(1\)")
        self.publish("house/bath/light", "on")
        self.publish("house/bath/light", "\x1b[2Joff")
        screen = terminal.wait_for("2 topics  3 messages")
        self.assertIn("localhost:" + self.port, screen)
        self.assertNotIn("temperature", screen)
        terminal.press("e")
        screen = terminal.wait_for("temperature")
        self.assertRegex(screen, r"▾ house.*\n\s+▾ bath.*\n\s+light .* 7 B +\d+s   ·\[2Joff")
        self.assertRegex(screen, r"temperature .* 6 B +\d+s R 20\.8 C")

    def test_watch_moves_searches_sorts_and_pauses(self):
        for topic in ("a/one", "a/two", "b/three"):
            self.publish("keys/" + topic, topic, "-r")
        terminal = self.terminal("watch", "-t", "keys/#", "--expand")
        terminal.wait_for("3 topics")
        terminal.press("Down")
        terminal.press("Enter")                         # closes keys/a
        terminal.wait_for(r"▸ a \(2\)")
        terminal.press("Right")
        terminal.wait_for("one ")
        terminal.press("/")
        terminal.press("t", "h", "r")
        screen = terminal.wait_for("search: thr_")
        self.assertIn("three", screen)
        terminal.wait_for("one ", absent=True)
        terminal.press("Enter")
        terminal.wait_for(r"showing: thr")
        terminal.press("Escape")
        terminal.wait_for("one ")
        terminal.press("s")
        terminal.wait_for("by rate")
        busy = Child([mqttc(), "pub", "-p", self.port, "-t", "keys/b/three", "-m", "busy", "--repeat", "100000", "--repeat-delay", "0.01"])
        try:
            terminal.wait_for(r"▾ keys .*\n\s+▾ b .*\n\s+three .*busy\s*\n\s+▾ a$")     # the one with the most messages is first
            self.assertRegex(terminal.wait_for(r"three +\d+\.\d "), r"messages  \d+\.\d/s")
            terminal.press("p")
            first = terminal.wait_for("PAUSED")
            time.sleep(0.5)
            count = re.compile(r"(\S+) messages")
            self.assertEqual(count.search(first).group(1), count.search(terminal.screen()).group(1))
            terminal.press("p")
            terminal.wait_for(count.search(first).group(0), absent=True)
        finally:
            busy.signal(15)
            busy.end()
        terminal.press("q")
        self.assertEqual(terminal.exit_status(), 0)
        self.assertNotIn("three", terminal.screen(), "the screen of before comes back")

    def test_watch_follows_the_size(self):
        for number in range(40):
            self.publish(f"many/{number:02}", "x" * 200, "-r")
        terminal = self.terminal("watch", "-t", "many/#", "--expand", columns=100, rows=20)
        terminal.wait_for("40 topics")
        self.assertEqual(len(re.findall(r"^    \d\d ", terminal.wait_for(r"    15 "), re.MULTILINE)), 16)
        terminal.resize(50, 10)
        screen = terminal.wait_for("    15 ", absent=True)
        screen = terminal.wait_for(r"    05 .*xxx…$")
        self.assertEqual(len(re.findall(r"^    \d\d ", screen, re.MULTILINE)), 6)
        self.assertLessEqual(max(map(len, screen.split("\n"))), 50)
        terminal.press("G")
        terminal.wait_for(r"    39 ")
        terminal.resize(120, 50)
        screen = terminal.wait_for(r"    00 [\s\S]*    39 ")
        self.assertIn("move  Enter opens", screen)

    def test_watch_gives_the_terminal_back_at_a_signal(self):
        terminal = self.terminal("watch")
        terminal.wait_for("quit")
        terminal.press("C-c")
        self.assertEqual(terminal.exit_status(), 130)
        terminal.wait_for("quit", absent=True)

    def test_watch_stops_and_goes_on(self):
        """Ctrl-Z and fg: the shell gets its terminal, and watch gets it again."""
        terminal = Terminal(["bash", "--norc", "-i"])
        self.addCleanup(terminal.close)
        terminal.press(shlex.join([mqttc(), "watch", "-p", self.port, "-t", "stop/#"]), "Enter")
        terminal.wait_for("quit")
        terminal.press("C-z")
        terminal.wait_for("Stopped")
        terminal.press("stty -a | grep -o '.icanon'", "Enter")
        terminal.wait_for(r"^ icanon")
        terminal.press("fg", "Enter")
        terminal.wait_for("quit")
        self.assertEqual(run([mqttc(), "pub", "-p", self.port, "-t", "stop/on", "-m", "again"])[0], 0)
        self.assertNotIn("icanon", terminal.wait_for(r"▸ stop"))
        # A key at a time, as before.
        terminal.press("e")
        terminal.wait_for(r"    on .*again")
        terminal.press("q")
        terminal.wait_for("quit", absent=True)
        terminal.press("exit", "Enter")
        self.assertEqual(terminal.exit_status(), 0)

    def test_watch_says_when_it_is_offline(self):
        broker = Mosquitto()
        self.addCleanup(broker.close)
        terminal = Terminal([mqttc(), "watch", f"mqtt://127.0.0.1:{broker.port}"])
        self.addCleanup(terminal.close)
        terminal.wait_for("connected")
        broker.stop()
        terminal.wait_for("OFFLINE")
        self.assertTrue(broker.start())
        terminal.wait_for("connected")

    def test_watch_without_a_terminal_prints_lines(self):
        child = Child([mqttc(), "watch", "-p", self.port, "-t", "plain/#", "-C", "3"])
        self.broker.wait_for(" 0 plain/#\n")
        self.publish("plain/a", "text")
        run([mqttc(), "pub", "-p", self.port, "-t", "plain/b", "-s"], b"two\nlines\x1b")
        run([mqttc(), "pub", "-p", self.port, "-t", "plain/c", "-s"], b"\x00\xff")
        status, output, _ = child.end()
        self.assertEqual(status, 0)
        self.assertRegex(output.decode(), r"^\d\d:\d\d:\d\d plain/a - text\n[\d:]+ plain/b - two·lines·\n[\d:]+ plain/c - 00 ff\n$")

    def test_bench_shows_a_rate_a_table_and_a_histogram(self):
        terminal = self.terminal("bench", "rtt", "--rate", "500", "--count", "1000", rows=60)
        terminal.wait_for(r"\d+ of 1,000 round trips, \d+/s")
        screen = terminal.wait_for("█")
        self.assertEqual(terminal.exit_status(), 0)
        self.assertNotIn("round trips,", screen, "the live line goes away")
        for pattern in (r"messages +1,000 of 16 B, QoS 1, 1 client", r"rate +[\d,]+/s", r"time +\d+\.\d+ s", r"CPU .*user.*system",
                        r"memory .*resident", r"lost +0", r"duplicated +0", r"latency +p50 .* p99\.9 .* max", r"< .*s +\d+\.\d+ % █"):
            self.assertRegex(terminal.screen(), pattern)

    def test_long_publishes_show_progress(self):
        terminal = self.terminal("pub", "-t", "long", "-m", "x", "-q", "1", "--repeat", "100", "--repeat-delay", "0.03")
        terminal.wait_for(r"\d+ messages, \d+ B, \d+/s")
        self.assertEqual(terminal.exit_status(), 0)
        terminal.wait_for("messages", absent=True)


if __name__ == "__main__":
    unittest.main()
