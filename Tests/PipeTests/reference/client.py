"""The reference client: connection, session and back-off on asyncio. Small and slow; it exists to check the tests."""

import asyncio
import collections
import hashlib
import random
import time

import wire

# Mosquitto 2.0 answers the 21st or so open QoS 2 PUBLISH of a client with PUBREC, drops the message and cuts the connection.
# In 3.1.1 that PUBREC looks like any other, so the message is lost: never have more open than its max_inflight_messages.
WINDOW = 20
PATTERN = bytes(n % 251 for n in range(251)) * 1024


class Lost(Exception):
    """The connection is gone; the text is the error name."""


class Refused(Exception):
    """CONNACK with an error code."""


class Message:
    """An accepted QoS 1 or 2 publish."""

    def __init__(self, packet_id, name, payload, size, qos, retain, done):
        self.packet_id, self.name, self.payload, self.size, self.qos, self.retain = packet_id, name, payload, size, qos, retain
        self.done, self.sent, self.received = done, False, False

    def head(self):
        return wire.publish_head(self.name, self.qos, self.retain, self.sent, self.packet_id, self.size)


def chunks(payload, size):
    if payload is not None:
        yield payload
        return
    for at in range(0, size, len(PATTERN)):
        yield PATTERN[:min(len(PATTERN), size - at)]


class Item:
    """One packet to write. `begin` is asked at the time of writing for head and payload."""

    def __init__(self, begin, written=None):
        self.begin, self.written, self.started = begin, written, False


class Client:
    def __init__(self, fields, emit, deliver):
        self.fields, self.deliver = fields, deliver
        self.emit = lambda line: None if self.ended else emit(line)
        self.reader = self.writer = None
        self.online = self.ended = self.reading = False
        self.queue, self.wake = collections.deque(), asyncio.Event()
        self.messages = {}              # identifier -> Message, in order of acceptance
        self.requests = {}              # identifier -> (first byte of the answer, count of codes, future)
        self.flying, self.waiting = set(), collections.deque()      # QoS 2 on this connection
        self.pings, self.pinged = collections.deque(), None
        self.inbound, self.last_id, self.generation = set(), 0, 0
        self.last_sent, self.up_since = 0.0, 0.0

    # Identifiers and queues

    def identifier(self):
        while True:
            self.last_id = self.last_id % 65535 + 1
            if self.last_id not in self.messages and self.last_id not in self.requests:
                return self.last_id

    def put(self, item):
        self.queue.append(item)
        self.wake.set()

    def put_bytes(self, data, written=None):
        self.put(Item(lambda: (data, None, 0), written))

    def put_message(self, message):
        if message.qos == 2:
            if len(self.flying) >= WINDOW or self.waiting:
                self.waiting.append(message)
                return
            self.flying.add(message.packet_id)
        self.put_now(message)

    def landed(self, message):
        self.flying.discard(message.packet_id)
        if self.online and self.waiting and len(self.flying) < WINDOW:
            following = self.waiting.popleft()
            self.flying.add(following.packet_id)
            self.put_now(following)

    def put_now(self, message):
        def begin():
            head = message.head()
            message.sent = True
            return head, message.payload, message.size
        self.put(Item(begin))

    # Connection

    async def open(self, clean):
        """One attempt, up to CONNACK. Returns session present."""
        fields = self.fields
        try:
            dial = asyncio.open_unix_connection(fields.unix) if fields.unix else asyncio.open_connection(fields.host, fields.port)
            self.reader, self.writer = await asyncio.wait_for(dial, fields.pause)
        except asyncio.TimeoutError:
            raise Lost("timeout") from None
        except (OSError, ValueError) as problem:
            raise Lost("down") from problem
        self.writer.transport.set_write_buffer_limits(0)
        self.reading = True
        try:
            self.writer.write(wire.connect(fields, clean))
            first, size = await self.header(time.monotonic() + fields.pause)
            wire.check_header(first, size, online=False)
            flags, code = await self.exactly(2)
            if flags > 1 or code > 5 or (code and flags):
                raise wire.Violation("CONNACK")
        except OSError as problem:
            raise Lost("down") from problem
        if code:
            raise Refused(code)
        return bool(flags)

    async def some(self, count, deadline):
        """Up to that many bytes; a silence up to the deadline is a dead broker."""
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                data = await asyncio.wait_for(self.reader.read(count), left)
            except asyncio.TimeoutError:
                if self.reader._buffer:     # the timer won the race after a pause of the process
                    deadline = time.monotonic() + 0.1
                    continue
                raise Lost("timeout") from None
            except OSError:
                data = b""
            if not data:
                raise Lost("down")
            return data

    async def exactly(self, count):
        data = b""
        while len(data) < count:
            data += await self.some(count - len(data), time.monotonic() + self.fields.pause)
        return data

    async def header(self, deadline):
        first = (await self.some(1, deadline))[0]
        if first >> 4 in (0, 1, 8, 10, 12, 14, 15):
            raise wire.Violation("type")
        size, shift = 0, 0
        while True:
            digit = (await self.exactly(1))[0]
            size |= (digit & 127) << shift
            if digit < 128:
                return first, size
            shift += 7
            if shift > 21:
                raise wire.Violation("remaining length of five bytes")

    # Life

    async def live(self, present):
        """From an accepted connection to its end; returns the error name."""
        self.generation += 1
        self.flying.clear()
        self.waiting.clear()
        if not present:
            self.inbound.clear()
        for message in self.messages.values():
            if not present:
                message.sent = message.received = False
            if message.received:
                self.flying.add(message.packet_id)
                self.put_bytes(wire.acknowledgement(0x62, message.packet_id))
            else:
                self.put_message(message)
        self.online, self.up_since, self.last_sent = True, time.monotonic(), time.monotonic()
        self.emit({"event": "online", "sessionPresent": present})
        tasks = [asyncio.create_task(job()) for job in (self.read_loop, self.write_loop, self.ping_loop)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            problem = next(task for task in tasks if task.done()).exception()
        finally:
            self.writer.transport.abort()       # wait_for can swallow a cancellation, but not this
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.drop()
        if isinstance(problem, wire.Violation):
            return "protocolViolation"
        if not isinstance(problem, (Lost, OSError)):
            raise problem
        return "connectionLost"

    def drop(self):
        """Forgets the connection; what awaited it learns that."""
        self.online, self.pinged = False, None
        if self.writer:
            self.writer.transport.abort()
        for item in self.queue:
            if item.written:
                self.settle(item.written, "submissionInterrupted" if item.started else "down")
        self.queue.clear()
        for _, _, future in self.requests.values():
            self.settle(future, "connectionLost")
        for future in self.pings:
            self.settle(future, "connectionLost")
        self.requests.clear()
        self.pings.clear()

    def settle(self, future, error):
        if future and not future.done() and not self.ended:     # the end answers with `closed`
            future.set_result({"error": error})

    async def run(self, present):
        fields, bound = self.fields, self.fields.minimum
        while True:
            error = await self.live(present)
            if time.monotonic() - self.up_since >= 0.25:
                bound = fields.minimum
            self.emit({"event": "offline", "error": error})
            while True:
                await asyncio.sleep(max(fields.minimum, random.uniform(bound / 2, bound)))
                bound = min(fields.maximum, max(bound, 0.001) * 2)
                try:
                    present = await self.open(clean=fields.client_id == "")
                    break
                except (Lost, Refused, wire.Violation):
                    self.drop()

    async def write_loop(self):
        while True:
            while not self.queue:
                self.wake.clear()
                await self.wake.wait()
            item = self.queue[0]
            item.started = True
            head, payload, size = item.begin()
            for chunk in (head, *([] if not size else chunks(payload, size))) if payload is not None else self.joined(head, size):
                self.writer.write(chunk)
                try:
                    await asyncio.wait_for(self.writer.drain(), self.fields.pause)
                except asyncio.TimeoutError:
                    raise Lost("timeout") from None
                self.last_sent = time.monotonic()
            self.queue.popleft()
            if item.written and not item.written.done():
                item.written.set_result({})

    def joined(self, head, size):
        yield head
        yield from chunks(None, size)

    async def ping_loop(self):
        alive, pause = self.fields.keep_alive, self.fields.pause
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            if alive and self.pinged is None and now - self.last_sent >= alive * 0.8:
                self.ping(None)
            if self.pinged is not None:
                if not self.reading:
                    self.pinged = now
                elif now - self.pinged > pause:
                    raise Lost("timeout")

    def ping(self, future):
        self.pings.append(future)
        self.pinged = self.pinged or time.monotonic()
        self.last_sent = time.monotonic()
        self.put_bytes(b"\xc0\0")

    # Inbound

    async def read_loop(self):
        while True:
            first, size = await self.header(None)
            wire.check_header(first, size, online=True)
            maximum = self.fields.maximum_packet_size
            if maximum and 1 + len(wire.length(size)) + size > maximum:
                raise wire.Violation("larger than maximumPacketSize")
            if first >> 4 == 3:
                await self.publish(first, size)
            else:
                self.answer(first >> 4, await self.exactly(size))

    async def publish(self, first, size):
        qos, generation = first >> 1 & 3, self.generation
        if size < 2:
            raise wire.Violation("PUBLISH length")
        count = int.from_bytes(await self.exactly(2), "big")
        left = size - 2 - count - (2 if qos else 0)
        if left < 0:
            raise wire.Violation("PUBLISH length")
        name = wire.topic_name(await self.exactly(count) if count else b"")
        packet_id = int.from_bytes(await self.exactly(2), "big") if qos else 0
        if qos and not packet_id:
            raise wire.Violation("packet identifier 0")
        event = {"topic": name, "qos": qos, "retain": bool(first & 1), "dup": bool(first & 8)}
        if left > 1 << 20:
            digest, rest = hashlib.sha256(), left
            while rest:
                data = await self.some(min(rest, 1 << 16), time.monotonic() + self.fields.pause)
                digest.update(data)
                rest -= len(data)
            event = {"event": "bigMessage", **event, "size": left, "sha256": digest.hexdigest()}
        else:
            event = {"event": "message", **event, "payload": await self.exactly(left)}

        def acknowledge():
            if qos and self.online and generation == self.generation:
                self.put_bytes(wire.acknowledgement(0x40 if qos == 1 else 0x50, packet_id))

        def taken():
            if qos == 2:
                self.inbound.add(packet_id)

        if qos == 2 and packet_id in self.inbound:
            acknowledge()
            return
        self.reading = False
        await self.deliver(event, taken, acknowledge, self.reader)
        self.reading = True

    def answer(self, kind, body):
        packet_id = int.from_bytes(body[:2], "big")
        message = self.messages.get(packet_id)
        if kind == 13:
            self.pinged = None
            if self.pings:
                future = self.pings.popleft()
                if future and not future.done():
                    future.set_result({})
                self.pinged = time.monotonic() if self.pings else None
        elif kind == 4 and message and message.qos == 1:
            self.complete(message)
        elif kind == 5 and message and message.qos == 2:
            message.received = True
            self.put_bytes(wire.acknowledgement(0x62, packet_id))
        elif kind == 7 and message and message.qos == 2 and message.received:
            self.complete(message)
        elif kind == 6:
            self.inbound.discard(packet_id)
            self.put_bytes(wire.acknowledgement(0x70, packet_id))
        elif kind in (9, 11):
            self.answer_request(kind, packet_id, list(body[2:]))

    def complete(self, message):
        del self.messages[message.packet_id]
        self.landed(message)
        if not message.done.done():
            message.done.set_result({})

    def answer_request(self, kind, packet_id, codes):
        if any(code not in (0, 1, 2, 128) for code in codes):
            raise wire.Violation("SUBACK code")
        expected, count, future = self.requests.get(packet_id, (None, 0, None))
        if expected != kind:
            return
        if len(codes) != count:
            raise wire.Violation("SUBACK count")
        del self.requests[packet_id]
        if not future.done():
            future.set_result({"granted": codes} if kind == 9 else {})
