"""Drives one `mqttc pipe` process and holds every line of its stdout to section 1 of PIPE.md."""

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time

from broker import WAIT, Failure

ERRORS = {"denied", "closed", "down", "tooManyRequests", "canceled", "abandoned", "connectionLost", "submissionInterrupted",
          "connectionRefused", "subscribeFailed", "protocolViolation", "persistence", "timeout", "unsupported"}
EVENTS = {"accepted", "message", "bigMessage", "online", "offline", "warning", "auth"}
SLACK = 2.0     # added to "exits within 3 seconds": the machine is slow, a client that waits for something is slower


class Log:
    """The transcript of a test: lines, packets and connections in the order seen."""

    def __init__(self):
        self.began, self.entries, self.lock = time.monotonic(), [], threading.Lock()

    def add(self, kind, text):
        with self.lock:
            self.entries.append(f"{time.monotonic() - self.began:8.3f} {kind:4} {text}")

    def __str__(self):
        kept = self.entries if len(self.entries) <= 240 else self.entries[:80] + ["..."] + self.entries[-160:]
        return "\n".join(line if len(line) <= 400 else line[:380] + f" ... {len(line)}" for line in kept)


class Pipe:
    """One process. Replies are kept by id, events in their order."""

    def __init__(self, program, log, name="pipe", reading=True, pipe_size=None):
        self.log, self.name, self.errors = log, name, tempfile.TemporaryFile()
        self.next_id, self.ops, self.replies, self.events, self.violations = 1, {}, {}, [], []
        self.unnamed = []           # replies with id null
        self.order = []             # every line of stdout, as parsed, in order
        self.accepted, self.is_online, self.crashed = set(), False, False
        self.changed = threading.Condition()
        self.reading = threading.Event()
        if reading:
            self.reading.set()
        self.process = subprocess.Popen([*program, "pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        bufsize=0, pipesize=pipe_size or -1)
        self.input = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        threading.Thread(target=self._write, daemon=True).start()

    # Lines out of the process

    def _read(self):
        rest = b""
        while True:
            self.reading.wait()
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            with self.changed:
                for line in lines:
                    self._line(line)
                self.changed.notify_all()
        with self.changed:
            if rest:
                self._violation(f"output does not end with a newline: {rest[:200]!r}")
            self.changed.notify_all()

    def _violation(self, text):
        self.log.add("BAD", text)
        self.violations.append(text)

    def _line(self, raw):
        self.log.add("<", f"{self.name} {raw.decode('utf-8', 'backslashreplace')}")
        try:
            line = json.loads(raw.decode("utf-8"))
        except ValueError as problem:
            return self._violation(f"stdout line is no JSON: {problem}: {raw[:200]!r}")
        if not isinstance(line, dict):
            return self._violation(f"stdout line is no object: {raw[:200]!r}")
        self.order.append(line)
        if "event" in line:
            self._event(line)
        else:
            self._reply(line)

    def _event(self, line):
        name = line["event"]
        if name not in EVENTS or "ok" in line:
            return self._violation(f"no such event: {line}")
        if name == "accepted":
            op = self.ops.get(line.get("id"))
            if op is None or op.get("op") != "publish" or op.get("qos", 0) == 0:
                self._violation(f"accepted for something that is no QoS 1 or 2 publish: {line}")
            if line.get("id") in self.accepted or line.get("id") in self.replies:
                self._violation(f"accepted twice, or after the reply: {line}")
            self.accepted.add(line.get("id"))
        if name == "online":
            if self.is_online or type(line.get("sessionPresent")) is not bool:
                self._violation(f"online without an offline before, or without sessionPresent: {line}")
            self.is_online = True
        if name == "offline":
            self.is_online = False
            if line.get("error") not in ("connectionLost", "protocolViolation", "closed", "connectionRefused", "down", "timeout"):
                self._violation(f"offline with a strange error: {line}")
        self.events.append(line)

    def _reply(self, line):
        identifier = line.get("id", "missing")
        if identifier is None:
            self.unnamed.append(line)
        elif type(identifier) is not int or identifier not in self.ops:
            return self._violation(f"reply to no op: {line}")
        elif identifier in self.replies:
            return self._violation(f"second reply: {line}")
        else:
            self.replies[identifier] = line
        if type(line.get("ok")) is not bool:
            return self._violation(f"reply without ok: {line}")
        if not line["ok"] and (line.get("error") not in ERRORS or not isinstance(line.get("message"), str)):
            return self._violation(f"error reply without a known error name and message: {line}")
        op = self.ops.get(identifier)
        if line["ok"] and op and op.get("op") == "publish" and op.get("qos", 0) in (1, 2) and identifier not in self.accepted:
            self._violation(f"publish complete, but never accepted: {line}")

    # Lines into the process

    def _write(self):
        while (data := self.input.get()) is not None:
            try:
                view = memoryview(data)
                while view:
                    view = view[self.process.stdin.write(view):]
            except OSError:
                return
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def raw(self, data, shown=None):
        """Any bytes."""
        self.log.add(">", f"{self.name} {shown or repr(data)}")
        self.input.put(data)

    def claim(self, **fields):
        """Takes the next id for an op whose line the test writes itself."""
        identifier, self.next_id = self.next_id, self.next_id + 1
        with self.changed:
            self.ops[identifier] = fields
        return identifier

    def op(self, name, /, **fields):
        """Sends an op, returns its id."""
        return self.batch((name, fields))[0]

    def batch(self, *ops):
        """Sends ops in one write, returns their ids."""
        identifiers, data = [], []
        for name, fields in ops:
            fields = {("pass" if key == "pass_" else key): value for key, value in fields.items()}
            identifier = self.claim(op=name, **fields)
            if name == "connect":
                self.is_online = False
            line = json.dumps({"id": identifier, "op": name, **fields}, ensure_ascii=False)
            self.log.add(">", f"{self.name} {line}")
            identifiers.append(identifier)
            data.append(line.encode() + b"\n")
        self.input.put(b"".join(data))
        return identifiers

    # What the test awaits

    def _until(self, condition, timeout, what):
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = condition()
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or not self.reader.is_alive():
                    status = self.process.poll()
                    raise Failure(f"{what} did not come within {timeout} s" + ("" if status is None else f", program ended: {status}"))
                self.changed.wait(min(left, 0.25))

    def reply(self, identifier, timeout=WAIT):
        return self._until(lambda: self.replies.get(identifier), timeout, f"reply to {identifier} {str(self.ops.get(identifier))[:200]}")

    def ok(self, identifier, timeout=WAIT):
        reply = self.reply(identifier, timeout)
        if not reply["ok"]:
            raise Failure(f"ok expected for {str(self.ops[identifier])[:300]}, got {reply}")
        return reply

    def error(self, identifier, *names, timeout=WAIT):
        reply = self.reply(identifier, timeout)
        if reply["ok"] or reply["error"] not in names:
            raise Failure(f"error {' or '.join(names)} expected for {str(self.ops[identifier])[:300]}, got {reply}")
        return reply

    def null_reply(self, count, timeout=WAIT):
        """The reply number `count` (from 1) of those without an id."""
        return self._until(lambda: self.unnamed[count - 1] if len(self.unnamed) >= count else None, timeout, "reply with id null")

    def event(self, name, timeout=WAIT, **fields):
        """Takes the oldest event of that name; its fields must be those."""
        def take():
            for index, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(index)
            return None
        event = self._until(take, timeout, f"event {name}")
        for key, value in fields.items():
            if event.get(key) != value:
                raise Failure(f"event {name}: {key} should be {value!r}: {event}")
        return event

    def first_of(self, *names, timeout=WAIT):
        """The name of the oldest event of one of those names, which stays; waits for one: what the broker sees may come first."""
        return self._until(lambda: next((e["event"] for e in self.events if e["event"] in names), None), timeout, f"event {names}")

    def messages(self, count, timeout=WAIT):
        return [self.event("message", timeout) for _ in range(count)]

    def all_accepted(self, identifiers, timeout=WAIT):
        wanted = set(identifiers)
        self._until(lambda: True if wanted <= self.accepted else None, timeout, f"accepted for {len(wanted)} publishes")

    def no_reply(self, identifier, seconds=0.3):
        time.sleep(seconds)
        if identifier in self.replies:
            raise Failure(f"reply came too early: {self.replies[identifier]}")

    def no_event(self, name, seconds=0.3):
        time.sleep(seconds)
        with self.changed:
            for event in self.events:
                if event["event"] == name:
                    raise Failure(f"no {name} may come here: {event}")

    def call(self, name, /, **fields):
        """Sends an op and awaits its ok."""
        return self.ok(self.op(name, **fields))

    def alive(self):
        """The program still answers: an unknown op gets its `unsupported`."""
        self.error(self.op("noSuchOp"), "unsupported")

    # Process

    def memory(self, name="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith(name + ":"))

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as refs:
            refs.write("5")

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def eof(self):
        self.log.add(">", f"{self.name} EOF")
        self.input.put(None)

    def exit(self, limit=3.0 + SLACK):
        """After EOF: status 0 in time."""
        began = time.monotonic()
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"still running {limit} s after the end of stdin") from None
        self.log.add("exit", f"{self.name} status {status} after {time.monotonic() - began:.2f} s")
        if status != 0:
            raise Failure(f"exit status {status}")

    def crash(self):
        """SIGKILL, as it may hit at any moment. What had been written to stdout by then is read to its end."""
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.crashed = True
        self.log.add("exit", f"{self.name} killed")

    def finish(self):
        """The end of each test: EOF, exit status, no breach of the line rules on the way."""
        self.reading.set()
        if self.crashed:
            return
        if self.process.poll() is None:
            self.eof()
            self.exit()
        elif self.process.returncode != 0:
            raise Failure(f"the program ended on its own with status {self.process.returncode}")
        self.reader.join(5)
        if self.violations:
            raise Failure("; ".join(self.violations[:5]))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.errors.seek(0)
        return self.errors.read()[-3000:].decode("utf-8", "replace")
