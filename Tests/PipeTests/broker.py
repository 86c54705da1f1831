"""A fake broker that does nothing on its own: the test decides on each connection and each byte."""

import os
import select
import socket
import struct
import threading
import time

import mqtt

WAIT = 20.0     # generous: the machine may be slow; promises about time are checked separately


class Failure(AssertionError):
    """A promise of the page was broken."""


class Ended(Exception):
    """The client closed the connection (or reset it) at a packet boundary or within one."""


class Broker:
    """Listens on a free loopback port, or on a Unix socket. The test accepts each connection itself."""

    def __init__(self, log, family=socket.AF_INET, path=None):
        self.log, self.family, self.path, self.links = log, family, path, []
        self.address = path or (("::1", 0) if family == socket.AF_INET6 else ("127.0.0.1", 0))
        self.socket = None
        self.listen()

    def listen(self):
        """Begins to listen, again at the same address after `refuse`."""
        self.socket = socket.socket(self.family, socket.SOCK_STREAM)
        if self.path is None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif os.path.exists(self.path):
            os.unlink(self.path)
        self.socket.bind(self.address)
        self.socket.listen(64)
        if self.path is None:
            self.address = self.socket.getsockname()[:2]

    @property
    def port(self):
        return self.address[1]

    def refuse(self):
        """Stops listening: attempts to connect are refused by the system."""
        self.socket.close()
        self.socket = None

    def accept(self, timeout=WAIT):
        if not select.select([self.socket], [], [], timeout)[0]:
            raise Failure(f"no connection within {timeout} s")
        link = Link(self.socket.accept()[0], self.log, len(self.links) + 1)
        self.links.append(link)
        self.log.add("net", f"#{link.number} accepted")
        return link

    def welcome(self, session_present=False, timeout=WAIT, **connect):
        """Accepts a connection, its CONNECT, and answers with CONNACK."""
        link = self.accept(timeout)
        link.connect = link.expect(mqtt.CONNECT, **connect)
        link.send(mqtt.connack(session_present))
        return link

    def expect_no_connection(self, seconds):
        if self.socket is not None and select.select([self.socket], [], [], seconds)[0]:
            raise Failure("a connection came where none may come")

    def end(self):
        for link in self.links:
            link.socket.close()
        if self.socket is not None:
            self.socket.close()


class Link:
    """One connection, seen from the broker."""

    def __init__(self, sock, log, number):
        self.socket, self.log, self.number = sock, log, number
        self.buffer = bytearray()
        self.connect = None
        self.ended = False
        self.sending = threading.Lock()     # packets of two threads must not mix
        self.received = 0       # bytes read from the system
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # From the client

    def _more(self, deadline):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self.socket], [], [], left)[0]:
            return False
        try:
            chunk = self.socket.recv(1 << 18)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self.ended = True
            self.log.add("net", f"#{self.number} ended by the client")
            raise Ended(f"the client ended connection {self.number}, {len(self.buffer)} bytes of a packet were there")
        self.received += len(chunk)
        self.buffer += chunk
        return True

    def _header(self):
        """(bytes of header, remaining length) or None, when not there yet."""
        value = 0
        for index in range(1, min(6, len(self.buffer))):
            if index == 5:
                raise mqtt.Malformed("remaining length of five bytes")
            value |= (self.buffer[index] & 127) << 7 * (index - 1)
            if self.buffer[index] < 128:
                if index > 1 and self.buffer[index] == 0:
                    raise mqtt.Malformed("remaining length is not the shortest")
                return index + 1, value
        return None

    def packet(self, timeout=WAIT):
        """The next packet; None when no whole one came in time; `Ended` at the end."""
        deadline = time.monotonic() + timeout
        while True:
            header = self._header()
            if header and len(self.buffer) >= sum(header):
                break
            if not self._more(deadline):
                return None
        size = sum(header)
        try:
            packet = mqtt.decode(self.buffer[0], memoryview(self.buffer)[header[0]:size].tobytes())
        except mqtt.Malformed as problem:
            raise Failure(f"malformed packet {bytes(self.buffer[:min(size, 64)]).hex(' ')}: {problem}") from None
        packet.size = size
        del self.buffer[:size]
        self.log.add("pkt", f"#{self.number} C>B {packet}")
        return packet

    def expect(self, kind, timeout=WAIT, **fields):
        """The next packet is of that type with those fields; anything else is a failure."""
        try:
            packet = self.packet(timeout)
        except Ended as end:
            raise Failure(f"{mqtt.NAMES[kind]} expected: {end}") from None
        if packet is None:
            raise Failure(f"{mqtt.NAMES[kind]} expected, nothing came within {timeout} s")
        if packet.type != kind:
            raise Failure(f"{mqtt.NAMES[kind]} expected, got {packet}")
        for name, value in fields.items():
            if getattr(packet, name) != value:
                raise Failure(f"{mqtt.NAMES[kind]}: {name} is {str(getattr(packet, name))[:200]!r}, expected {str(value)[:200]!r}")
        return packet

    def expect_nothing(self, seconds):
        """No packet (a part of one counts) and no end."""
        try:
            packet = self.packet(seconds)
        except Ended as end:
            raise Failure(f"silence expected: {end}") from None
        if packet is not None or self.buffer:
            raise Failure(f"silence expected, got {packet or bytes(self.buffer[:64]).hex(' ')}")

    def expect_end(self, timeout=WAIT, ignoring=()):
        """The client ends the connection, without another packet (of types other than those to ignore)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                packet = self.packet(max(0.0, deadline - time.monotonic()))
            except Ended:
                return
            if packet is None:
                raise Failure(f"the client did not end connection {self.number} within {timeout} s")
            if packet.type not in ignoring:
                raise Failure(f"the end was expected, got {packet}")

    def drain(self, limit=1 << 62, timeout=WAIT):
        """Reads and drops bytes, to the end or to the limit. Returns how many came."""
        count, deadline = len(self.buffer), time.monotonic() + timeout
        self.buffer.clear()
        while count < limit and select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                chunk = self.socket.recv(min(1 << 18, limit - count))
            except ConnectionError:
                chunk = b""
            if not chunk:
                self.ended = True
                break
            count += len(chunk)
        return count

    # To the client

    def send(self, *parts, timeout=WAIT):
        data = b"".join(parts)
        shown = data.hex(" ") if len(data) <= 48 else f"{data[:32].hex(' ')} ... {len(data)} bytes"
        self.log.add("pkt", f"#{self.number} B>C {shown}")
        try:
            with self.sending:
                self.socket.settimeout(timeout)
                self.socket.sendall(data)
        except TimeoutError:
            raise Failure(f"the client took no more bytes for {timeout} s") from None
        except OSError as problem:
            self.log.add("net", f"#{self.number} send failed: {problem}")

    def send_aside(self, *parts, timeout=120):
        """Sends from a thread, for what the client may not take at once."""
        thread = threading.Thread(target=self.send, args=parts, kwargs={"timeout": timeout}, daemon=True)
        thread.start()
        return thread

    def trickle(self, data, gap):
        for index in range(len(data)):
            self.send(data[index:index + 1])
            time.sleep(gap)

    def close(self):
        self.log.add("net", f"#{self.number} closed by the broker")
        self.socket.close()

    def half_close(self):
        self.log.add("net", f"#{self.number} half-closed by the broker")
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.log.add("net", f"#{self.number} reset by the broker")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
