"""`pipe` on the reference client: JSON lines on stdin and stdout. Run as `main.py pipe`."""

import asyncio
import base64
import json
import os
import sys
import types

import wire
from client import Client, Lost, Message, Refused

LIMITS = {1: "atLeastOnceMax", 2: "exactlyOnceMax"}


def number(fields, name, default, low, high, kind=(int, float)):
    value = fields.get(name, default)
    if type(value) not in (kind if isinstance(kind, tuple) else (kind,)) or not low <= value <= high:
        raise wire.Denied(f"{name} is no number from {low} to {high}")
    return value


def of_type(fields, name, default, kind):
    value = fields.get(name, default)
    if type(value) is not kind:
        raise wire.Denied(f"{name} has the wrong type")
    return value


def unbase64(value):
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise wire.Denied("no base64") from None


def payload_of(fields):
    """(bytes or None, size)"""
    if "payloadSize" in fields:
        return None, number(fields, "payloadSize", 0, 0, 268435455, int)
    raw = unbase64(fields["payloadBase64"]) if "payloadBase64" in fields else of_type(fields, "payload", "", str).encode()
    return raw, len(raw)


class Pipe:
    def __init__(self, out):
        self.out, self.client, self.runner, self.connecting = out, None, None, None
        self.ended = asyncio.Event()
        self.pending = set()            # replies that `closed` may answer
        self.limits, self.pull = {}, False
        self.ready, self.previous, self.next_lock = asyncio.Queue(1), None, asyncio.Lock()
        self.taken = asyncio.Event()

    def emit(self, line):
        self.out.write(json.dumps(line).encode() + b"\n")

    def reply(self, identifier, result):
        ok = "error" not in result
        self.emit({"id": identifier, "ok": ok, **result, **({} if ok else {"message": result.get("message", result["error"])})})

    # Lines

    def line(self, raw):
        identifier = None
        try:
            fields = json.loads(raw.decode("utf-8"), parse_constant=lambda _: None)
            if not isinstance(fields, dict):
                raise wire.Denied("no object")
            if type(fields.get("id")) is not int or not -2**63 <= fields["id"] < 2**63:
                raise wire.Denied("no id")
            identifier = fields["id"]
            json.dumps(fields, ensure_ascii=False).encode("utf-8")      # finds lone surrogates
        except (ValueError, RecursionError, wire.Denied) as problem:
            return self.reply(identifier, {"error": "denied", "message": str(problem)[:200]})
        job = asyncio.create_task(self.op(identifier, fields))
        self.pending.add(job)
        job.add_done_callback(self.pending.discard)

    async def op(self, identifier, fields):
        try:
            name = fields.get("op")
            method = getattr(self, f"op_{name}", None) if isinstance(name, str) and name.isalpha() else None
            if method is None:
                result = {"error": "unsupported"}
            elif self.client is None and name not in ("connect", "close"):
                result = {"error": "closed"}
            elif fields.get("timeout") == 0 and name not in ("next", "close"):
                result = {"error": "canceled"}
            else:
                result = await method(fields, identifier)
        except wire.Denied as problem:
            result = {"error": "denied", "message": str(problem)}
        except asyncio.CancelledError:
            result = {"error": "closed"}
        self.reply(identifier, result)

    # connect and the ends

    def connect_fields(self, fields):
        if fields.get("version", "3.1.1") != "3.1.1":
            if fields["version"] == "5.0":
                return None
            raise wire.Denied("version")
        if any(name in fields for name in ("tls", "websocket", "store")):
            return None
        wanted = types.SimpleNamespace(unix=fields.get("unix"), host=None, port=None)
        if wanted.unix is None:
            wanted.host = of_type(fields, "host", None, str)
            wanted.port = number(fields, "port", None, 1, 65535, int)
        wanted.client_id, clean = of_type(fields, "clientID", "", str), of_type(fields, "cleanSession", False, bool)
        wanted.clean = clean
        if wanted.client_id == "" and not clean:
            raise wire.Denied("empty clientID without cleanSession")
        wanted.keep_alive = number(fields, "keepAlive", 0, 0, 65535, int)
        wanted.username, wanted.password, wanted.will = fields.get("username"), None, None
        if "password" in fields or "passwordBase64" in fields:
            wanted.password = unbase64(fields["passwordBase64"]) if "passwordBase64" in fields else of_type(fields, "password", None, str)
        if wanted.password is not None and wanted.username is None:
            raise wire.Denied("password without username")
        if "will" in fields:
            will = of_type(fields, "will", None, dict)
            wanted.will = (wire.topic(will.get("topic"), "will topic"), payload_of(will)[0] or b"", number(will, "qos", 0, 0, 2, int),
                           of_type(will, "retain", False, bool))
        for text in (wanted.client_id, wanted.username or ""):
            wire.text(text, "text")
        for name, default in (("receive", "auto"), ("session", "new")):
            if fields.get(name, default) not in {"receive": ("auto", "pull"), "session": ("new", "resume")}[name]:
                raise wire.Denied(name)
        wanted.pause = min(number(fields, "pauseTimeout", 10, 0.001, float("inf")), 1e6)
        wanted.minimum = number(fields, "reconnectMin", 0.1, 0, 1e6)
        wanted.maximum = max(wanted.minimum, min(number(fields, "reconnectMax", 5, 0, float("inf")), 1e6))
        wanted.maximum_packet_size = number(fields, "maximumPacketSize", 0, 0, 1 << 62, int)
        limits = {qos: number(fields, name, 100, 1, 10000, int) for qos, name in LIMITS.items()}
        wire.connect(wanted, clean)     # lengths
        self.limits, self.pull = limits, fields.get("receive") == "pull"
        return wanted

    async def op_connect(self, fields, _):
        if self.client is not None:
            raise wire.Denied("there is a client")
        wanted = self.connect_fields(fields)
        if wanted is None:
            return {"error": "unsupported"}
        self.client = client = Client(wanted, self.emit, self.deliver)
        self.connecting = asyncio.current_task()
        try:
            present = await client.open(wanted.clean)
        except (Lost, Refused, wire.Violation) as problem:
            self.client = None
            client.drop()
            if isinstance(problem, Refused):
                return {"error": "connectionRefused", "reasonCode": problem.args[0]}
            return {"error": "protocolViolation" if isinstance(problem, wire.Violation) else problem.args[0]}
        self.connecting = None
        self.ready, self.previous = asyncio.Queue(1), None
        self.runner = asyncio.create_task(client.run(present))
        return {"sessionPresent": present}

    async def end(self):
        client, self.client = self.client, None
        client.ended = True
        await asyncio.sleep(0.01)       # replies that are due already
        others = self.pending - {asyncio.current_task()}
        for job in others:
            job.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self.runner:
            self.runner.cancel()
            await asyncio.gather(self.runner, return_exceptions=True)
            self.runner = None
        client.drop()

    async def op_disconnect(self, fields, _):
        client, online = self.client, self.client.online
        if online:
            written = asyncio.get_running_loop().create_future()
            client.put_bytes(b"\xe0\0", written)
            result = await written
            if result:
                online = False
            elif client.writer:
                client.writer.close()
                client.writer = None
        await self.end()
        return {} if online else {"error": "down"}

    async def op_close(self, fields, _):
        if self.client:
            await self.end()
        return {}

    # Requests

    async def op_publish(self, fields, identifier):
        client, qos = self.client, number(fields, "qos", 0, 0, 2, int)
        name, retain = wire.topic(fields.get("topic")), of_type(fields, "retain", False, bool)
        payload, size = payload_of(fields)
        wire.publish_head(name, qos, retain, False, 1, size)
        done = asyncio.get_running_loop().create_future()
        if qos == 0:
            if not client.online:
                return {"error": "down"}
            head = wire.publish_head(name, 0, retain, False, 0, size)
            from client import Item
            client.put(Item(lambda: (head, payload, size), done))
            return await done
        if sum(1 for message in client.messages.values() if message.qos == qos) >= self.limits[qos]:
            return {"error": "tooManyRequests"}
        message = Message(client.identifier(), name, payload, size, qos, retain, done)
        client.messages[message.packet_id] = message
        self.emit({"event": "accepted", "id": identifier})
        if client.online:
            client.put_message(message)
        return await self.bounded(done, fields)

    async def bounded(self, future, fields):
        try:
            return await asyncio.wait_for(asyncio.shield(future), fields.get("timeout"))
        except asyncio.TimeoutError:
            return {"error": "abandoned"}

    async def request(self, fields, kind, count, packet):
        if not self.client.online:
            return {"error": "down"}
        packet_id, future = self.client.identifier(), asyncio.get_running_loop().create_future()
        self.client.requests[packet_id] = (kind, count, future)
        self.client.put_bytes(packet(packet_id))
        return await self.bounded(future, fields)

    async def op_subscribe(self, fields, _):
        entries = of_type(fields, "filters", None, list)
        if not entries or any(not isinstance(entry, dict) for entry in entries):
            raise wire.Denied("filters")
        filters = [(wire.topic_filter(entry.get("filter")), number(entry, "qos", 0, 0, 2, int)) for entry in entries]
        result = await self.request(fields, 9, len(filters), lambda packet_id: wire.subscribe(packet_id, filters))
        failed = [entry["filter"] for entry, code in zip(entries, result.get("granted", [])) if code == 128]
        return {**result, "error": "subscribeFailed", "failed": failed} if failed else result

    async def op_unsubscribe(self, fields, _):
        filters = [wire.topic_filter(name) for name in of_type(fields, "filters", None, list)]
        if not filters:
            raise wire.Denied("filters")
        return await self.request(fields, 11, 0, lambda packet_id: wire.unsubscribe(packet_id, filters))

    async def op_ping(self, fields, _):
        if not self.client.online:
            return {"error": "down"}
        future = asyncio.get_running_loop().create_future()
        self.client.ping(future)
        return await self.bounded(future, fields)

    # Receiving

    async def deliver(self, event, taken, acknowledge, reader):
        """Called by the read loop, which reads on when this returns."""
        if self.client is None:
            raise Lost("down")
        if not self.pull:
            taken()
            self.show(event)
            await self.out.drain()
            return acknowledge()
        entry = (event, taken, acknowledge)
        self.taken.clear()
        await self.ready.put(entry)
        try:
            while not self.taken.is_set():
                if reader._eof or reader.exception():
                    raise Lost("down")
                try:
                    await asyncio.wait_for(self.taken.wait(), 0.05)
                except asyncio.TimeoutError:
                    pass
        finally:
            if not self.taken.is_set() and not self.ready.empty():
                self.ready.get_nowait()

    def show(self, event):
        payload = event.pop("payload", None)
        if payload is not None:
            event["payloadBase64"] = base64.b64encode(payload).decode()
        self.emit(event)

    async def op_next(self, fields, _):
        async with self.next_lock:
            if self.previous:
                self.previous()
                self.previous = None
            timeout = fields.get("timeout")
            if timeout == 0:
                return {"error": "timeout"}
            try:
                event, taken, acknowledge = await asyncio.wait_for(self.ready.get(), timeout)
            except asyncio.TimeoutError:
                return {"error": "timeout"}
            self.taken.set()
            taken()
            self.previous = acknowledge
            self.show(event)
            return {}


async def main():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(1, "wb"))
    out = asyncio.StreamWriter(transport, protocol, None, loop)
    transport.set_write_buffer_limits(0)
    reader = asyncio.StreamReader(limit=16 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    pipe = Pipe(out)
    while (raw := await reader.readline()).endswith(b"\n"):
        pipe.line(raw)
        await asyncio.sleep(0)
    if pipe.client:
        pipe.client.drop()
    await asyncio.sleep(0.02)
    os._exit(0)


asyncio.run(main())
