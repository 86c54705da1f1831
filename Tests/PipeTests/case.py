"""What a test is given: processes, brokers, a transcript, and their clean-up."""

import os
import shutil
import tempfile
import traceback

from broker import Broker, Ended, Failure
from pipe import Log, Pipe


class Skipped(Exception):
    """The test cannot run here; the text says why."""


class Case:
    def __init__(self, program):
        self.program, self.log = program, Log()
        self.pipes, self.brokers, self.directory, self.processes = [], [], None, []

    def pipe(self, **options):
        pipe = Pipe(self.program, self.log, name=f"p{len(self.pipes) + 1}", **options)
        self.pipes.append(pipe)
        return pipe

    def broker(self, **options):
        broker = Broker(self.log, **options)
        self.brokers.append(broker)
        return broker

    def folder(self):
        if self.directory is None:
            self.directory = tempfile.mkdtemp(prefix="pipetest")
        return self.directory

    def dial(self, pipe, broker, **fields):
        """Sends `connect` with short reconnect pauses; the test plays the broker's side. Returns the id of the op."""
        defaults = {"host": "127.0.0.1", "port": broker.port, "clientID": "c1", "reconnectMin": 0.05, "reconnectMax": 0.2}
        return pipe.op("connect", **{**defaults, **fields})

    def online(self, session_present=False, **fields):
        """A process with a client that is connected: (pipe, broker, link)."""
        pipe, broker = self.pipe(), self.broker()
        return pipe, broker, self.join(pipe, broker, session_present, **fields)

    def join(self, pipe, broker, session_present=False, **fields):
        identifier = self.dial(pipe, broker, **fields)
        link = broker.welcome(session_present)
        reply = pipe.ok(identifier)
        check(reply.get("sessionPresent") is session_present, f"sessionPresent {session_present} expected: {reply}")
        pipe.event("online", sessionPresent=session_present)
        return link

    def offline(self, pipe, broker, link, error="connectionLost"):
        """Cuts the connection and keeps the broker from being reached."""
        broker.refuse()
        link.close()
        pipe.event("offline", error=error)

    def again(self, pipe, broker, session_present=True):
        """The reconnect after a loss."""
        if broker.socket is None:
            broker.listen()
        link = broker.welcome(session_present)
        pipe.event("online", sessionPresent=session_present)
        return link

    def run(self, test):
        """(outcome, text)"""
        try:
            test(self)
            for pipe in self.pipes:
                pipe.finish()
            return "passed", ""
        except Skipped as reason:
            return "skipped", str(reason)
        except (Failure, Ended) as problem:
            frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if "test_" in frame.filename]
            where = "\n".join(f"  {os.path.basename(frame.filename)}:{frame.lineno}  {frame.line}" for frame in frames)
            return "failed", f"{problem}\n{where}"
        except Exception:
            return "failed", traceback.format_exc()
        finally:
            self.stderr = [pipe.kill() for pipe in self.pipes]
            for process in self.processes:
                process.kill()
                process.wait()
            for broker in self.brokers:
                broker.end()
            if self.directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    def report(self):
        errors = "\n".join(text for text in getattr(self, "stderr", []) if text)
        return f"--- transcript\n{self.log}\n--- end of stderr\n{errors}"


def check(condition, text):
    if not condition:
        raise Failure(text)


def table(module, prefix, rows, body):
    """One test for each row (name, *arguments): so each has a process of its own and a name to filter by."""
    for name, *arguments in rows:
        def test(t, arguments=tuple(arguments)):
            body(t, *arguments)
        test.__name__ = f"test_{prefix}_{name}"
        test.__doc__ = f"{body.__doc__} Row: {name}."
        if test.__name__ in module:
            raise AssertionError(f"two rows {test.__name__}")
        module[test.__name__] = test
