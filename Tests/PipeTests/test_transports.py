"""PIPE.md section 3: `tls` and `websocket`, against a broker made of Python's own TLS and of frames written here."""

import base64
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import mqtt
from broker import WAIT, Failure, Link
from case import Skipped, check, table

CERTIFICATES = """
cd "$1"
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=ca -days 2
issue() {
    openssl req -new $new -keyout $1.key -out $1.csr -subj /CN=$1 -addext "subjectAltName=$2"
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial 0x$(openssl rand -hex 8) -days 2 -copy_extensions copyall -out $1.pem
}
issue server IP:127.0.0.1
issue other DNS:other.example
issue client DNS:client
"""


class Ends:
    """Certificates in the test's folder, and the server's end of TLS and WebSocket."""

    def __init__(self, t, certificate="server", client=False):
        if shutil.which("openssl") is None:
            if os.environ.get("CI") == "true":
                raise Failure("openssl is not installed, and CI=true")
            raise Skipped("openssl is not installed")
        self.folder = t.folder()
        made = subprocess.run(["sh", "-ec", CERTIFICATES, "sh", self.folder], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if made.returncode != 0:
            raise Failure(f"openssl: {made.stderr.decode()[-500:]}")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path(certificate + ".pem"), self.path(certificate + ".key"))
        if client:
            self.context.load_verify_locations(self.path("ca.pem"))
            self.context.verify_mode = ssl.CERT_REQUIRED

    def path(self, name):
        return os.path.join(self.folder, name)

    def options(self, **more):
        return {"ca": self.path("ca.pem"), **more}

    def accept(self, t, broker):
        """The connection, once its TLS handshake is done: a pump between it and a pair of sockets, so that `Link` needs no TLS."""
        raw = broker.accept().socket
        raw.settimeout(WAIT)
        try:
            secure = self.context.wrap_socket(raw, server_side=True)
        except (ssl.SSLError, OSError) as problem:
            t.log.add("net", f"handshake failed: {problem}")
            raw.close()
            return None
        return Tunnel(t, broker, Stream(secure)).link


class Stream:
    def __init__(self, sock):
        self.socket = sock
        self.socket.settimeout(None)

    def read(self):
        try:
            return self.socket.recv(1 << 16)
        except OSError:
            return b""

    def write(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()


class WebSocketStream:
    """The server's end of a WebSocket over another stream. `cut` says how the bytes of the broker become frames."""

    def __init__(self, stream, cut=None, protocol="mqtt", status=None):
        self.stream, self.cut, self.rest, self.kinds = stream, cut or (lambda data: [frame(0x82, data)]), b"", []
        head = b""
        while b"\r\n\r\n" not in head:
            more = stream.read()
            if not more:
                raise Failure("no upgrade request came")
            head += more
        head, self.rest = head.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.request, self.fields = lines[0], {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        if status:
            return stream.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        digest = hashlib.sha1((self.fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        stream.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                      f"{base64.b64encode(digest).decode()}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())

    def take(self, count):
        while len(self.rest) < count:
            more = self.stream.read()
            if not more:
                return None
            self.rest += more
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def read(self):
        """The payload of the next data frame; b"" at the end."""
        while True:
            head = self.take(2)
            if head is None:
                return b""
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self.take(2 if size == 126 else 8) or b"", "big")
            key = self.take(4) if head[1] & 128 else b"\0\0\0\0"
            self.kinds.append((head[0], bool(head[1] & 128)))
            data = bytes(byte ^ key[index & 3] for index, byte in enumerate(self.take(size) or b""))
            if head[0] & 15 == 8:
                self.stream.write(frame(0x88, data))
                return b""
            if head[0] & 15 < 3 and data:
                return data

    def write(self, data):
        for part in self.cut(data):
            self.stream.write(part)

    def close(self):
        self.stream.close()


def frame(first, data):
    size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big") if len(data) < 65536 \
        else b"\x7f" + len(data).to_bytes(8, "big")
    return bytes([first]) + size + data


class Tunnel:
    """Carries bytes between a stream and one end of a pair of sockets; `link` is the broker's view of the other."""

    def __init__(self, t, broker, stream):
        self.stream, self.near = stream, None
        self.near, far = socket.socketpair()
        self.link = Link(far, t.log, len(broker.links) + 1)
        broker.links.append(self.link)
        threading.Thread(target=self.inward, daemon=True).start()
        threading.Thread(target=self.outward, daemon=True).start()

    def inward(self):
        try:
            while data := self.stream.read():
                self.near.sendall(data)
            self.near.shutdown(socket.SHUT_RDWR)    # closing it alone would wait for the other thread, which reads it
        except OSError:
            pass

    def outward(self):
        try:
            while data := self.near.recv(1 << 16):
                self.stream.write(data)
        except OSError:
            pass
        self.stream.close()


def client(t):
    """A process. The reference client speaks TCP only."""
    if len(t.program) > 1:
        raise Skipped("the reference client has no TLS and no WebSocket")
    return t.pipe()


def greet(pipe, identifier, link):
    """CONNECT, CONNACK, a message each way, and DISCONNECT."""
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(False))
    pipe.ok(identifier)
    done = pipe.op("publish", topic="a", qos=1, payload="x")
    publish = link.expect(mqtt.PUBLISH)
    link.send(mqtt.puback(publish.packet_id))
    pipe.ok(done)
    link.send(mqtt.publish("b", b"y" * 70000) + mqtt.publish("c", b"z"))
    pipe.event(pipe.first_of("message", "bigMessage"), topic="b")
    pipe.event("message", topic="c", payloadBase64="eg==")
    pipe.call("disconnect")
    link.expect(mqtt.DISCONNECT)


def test_tls(t):
    """tls: trusted roots, and the certificate is verified for host."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options())
    greet(pipe, identifier, ends.accept(t, broker))


def test_tls_client_certificate(t):
    """tls: cert and key are shown to a broker that asks for them; without, the broker refuses."""
    ends, pipe, broker = Ends(t, client=True), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options(cert=ends.path("client.pem"), key=ends.path("client.key")))
    greet(pipe, identifier, ends.accept(t, broker))
    identifier = t.dial(pipe, broker, tls=ends.options())
    check(ends.accept(t, broker) is None, "a handshake without a certificate succeeded")
    pipe.error(identifier, "down")


def test_tls_server_name(t):
    """tls: serverName is verified in place of host."""
    ends, pipe, broker = Ends(t, "other"), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options())
    link = ends.accept(t, broker)
    pipe.error(identifier, "down")
    if link is not None:
        link.expect_end()
    identifier = t.dial(pipe, broker, tls=ends.options(serverName="other.example"))
    greet(pipe, identifier, ends.accept(t, broker))


def test_tls_untrusted(t):
    """tls: an empty object trusts what the system trusts, which the test's authority is not among."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls={})
    ends.accept(t, broker)
    pipe.error(identifier, "down")
    pipe.error(pipe.op("ping"), "closed")


def test_tls_plain_broker(t):
    """A broker without TLS: down, and nothing of CONNECT was sent."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options())
    link = broker.accept()
    check(link.socket.recv(1) == b"\x16", "not a TLS record")
    link.send(mqtt.connack(False) * 2)
    pipe.error(identifier, "down")


def test_tls_silent_broker(t):
    """A broker that never answers the TLS handshake: told within the time-out, and the connection is closed."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options(), pauseTimeout=0.5)
    link = broker.accept()
    pipe.error(identifier, "down", "timeout", timeout=5)
    link.drain()


def test_tls_closing_broker(t):
    """A broker that closes in the middle of the TLS handshake: down, and connect may be tried again."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, tls=ends.options())
    link = broker.accept()
    link.close()
    pipe.error(identifier, "down")
    t.join(pipe, broker)


def denied(t, fields):
    """tls and websocket that cannot be honoured are denied, no connection is attempted, and there is no client."""
    pipe, broker = client(t), t.broker()
    pipe.error(t.dial(pipe, broker, **fields), "denied")
    broker.expect_no_connection(0.15)
    t.join(pipe, broker)


table(globals(), "denied", [
    ("tls_true", {"tls": True}),
    ("tls_ca_missing", {"tls": {"ca": "/nonexistent/ca.pem"}}),
    ("tls_ca_no_certificate", {"tls": {"ca": __file__}}),
    ("tls_ca_number", {"tls": {"ca": 1}}),
    ("tls_cert_without_key", {"tls": {"cert": "/nonexistent/cert.pem"}}),
    ("tls_key_without_cert", {"tls": {"key": "/nonexistent/key.pem"}}),
    ("tls_server_name_number", {"tls": {"serverName": 1}}),
    ("websocket_number", {"websocket": 1}),
    ("websocket_empty", {"websocket": ""}),
    ("websocket_relative", {"websocket": "mqtt"}),
    ("websocket_line_break", {"websocket": "/mqtt\r\nX: y"}),
    ("websocket_space", {"websocket": "/a b"}),
], denied)


def web(broker, **options):
    return WebSocketStream(Stream(broker.accept().socket), **options)


def test_websocket(t):
    """[MQTT-6.0.0-1] [MQTT-6.0.0-3]: the subprotocol mqtt is offered, and packets go out in masked binary frames."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/some/path?x=y")
    server = web(broker)
    check(server.request == "GET /some/path?x=y HTTP/1.1", server.request)
    check("mqtt" in [name.strip() for name in server.fields["sec-websocket-protocol"].split(",")], str(server.fields))
    check(server.fields["host"] == f"127.0.0.1:{broker.port}", str(server.fields))
    link = Tunnel(t, broker, server).link
    greet(pipe, identifier, link)
    check(set(server.kinds) <= {(0x82, True), (0x88, True)}, f"frames: {server.kinds}")


def test_websocket_inside_tls(t):
    """websocket with tls: the upgrade goes through TLS."""
    ends, pipe, broker = Ends(t), client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt", tls=ends.options())
    secure = ends.context.wrap_socket(broker.accept().socket, server_side=True)
    greet(pipe, identifier, Tunnel(t, broker, WebSocketStream(Stream(secure))).link)


def bytewise(data):
    """Every byte in a message of its own, with pings and empty messages between."""
    return [frame(0x82, data[at:at + 1]) + (frame(0x89, b"p") + frame(0x82, b"") if at % 5 == 0 else b"") for at in range(min(len(data), 40))] \
        + ([frame(0x82, data[40:])] if len(data) > 40 else [])


def fragments(data):
    """One message of many fragments, with a ping inside."""
    middle = len(data) // 2
    return [frame(0x02, data[:middle]), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, data[middle:])]


def framing(t, cut):
    """[MQTT-6.0.0-2]: packets are split over frames and joined in them; the client does not assume that they are aligned."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt")
    greet(pipe, identifier, Tunnel(t, broker, web(broker, cut=cut)).link)


table(globals(), "framing", [("bytewise", bytewise), ("fragments", fragments)], framing)


def test_websocket_text_frame(t):
    """[MQTT-6.0.0-1]: a text frame ends the connection, and the client comes back."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt")
    link = Tunnel(t, broker, web(broker, cut=lambda data: [frame(0x81 if data[0] >> 4 == mqtt.PUBLISH else 0x82, data)])).link
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(False))
    pipe.ok(identifier)
    pipe.event("online")
    link.send(mqtt.publish("a", b"x"))
    pipe.event("offline")
    pipe.no_event("message", 0.1)
    link = Tunnel(t, broker, web(broker)).link
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(True))
    pipe.event("online", sessionPresent=True)


def test_websocket_other_subprotocol(t):
    """[MQTT-6.0.0-4]: a server that chose another subprotocol is none: down, and no CONNECT was sent."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt")
    server = web(broker, protocol="mqttv3.1")
    pipe.error(identifier, "down")
    check(server.read() == b"", "data frames were sent")


def refused(t, status):
    """A WebSocket upgrade that is answered with another status: down."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt")
    web(broker, status=status)
    pipe.error(identifier, "down")
    t.join(pipe, broker)


table(globals(), "refused", [("401", "401 Unauthorized"), ("302", "302 Found"), ("200", "200 OK")], refused)


def test_websocket_garbage(t):
    """An upgrade that is answered with garbage: down."""
    pipe, broker = client(t), t.broker()
    identifier = t.dial(pipe, broker, websocket="/mqtt")
    link = broker.accept()
    link.socket.recv(1 << 16)
    link.send(b"\x20\x02\x00\x00")
    pipe.error(identifier, "down")
    t.join(pipe, broker)


def sockets(pipe):
    """How many sockets the process has open."""
    folder = f"/proc/{pipe.process.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(os.path.join(folder, name)).startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def test_no_socket_is_left(t):
    """Connections that come to nothing between TCP and CONNACK are closed, whatever it was: the process has none of them afterwards."""
    if not os.path.isdir("/proc/self/fd"):
        raise Skipped("there is no /proc")
    ends, others, pipe, broker = Ends(t), Ends(t, "other"), client(t), t.broker()

    def answer(*pieces):
        def respond():
            link = broker.accept()
            link.socket.recv(1 << 16)
            for piece in pieces:
                link.send(piece)
            return link
        return respond

    def secure(peer):
        # The client may refuse it in the middle of the handshake or at its end.
        return lambda: peer.accept(t, broker)

    kinds = [
        ({"tls": {}}, secure(ends)), ({"tls": ends.options()}, secure(others)), ({"tls": ends.options()}, answer(mqtt.connack(False) * 2)),
        ({"tls": ends.options()}, lambda: broker.accept().close()), ({"websocket": "/mqtt"}, lambda: web(broker, status="401 Unauthorized")),
        ({"websocket": "/mqtt"}, lambda: web(broker, status="302 Found")), ({"websocket": "/mqtt"}, answer(mqtt.connack(False))),
        ({"websocket": "/mqtt"}, lambda: broker.accept().close()), ({}, answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ({}, answer(mqtt.connack(False, 5))), ({"tls": ends.options(), "pauseTimeout": 0.1}, broker.accept),
        ({"websocket": "/mqtt", "pauseTimeout": 0.1}, broker.accept),
    ]
    held, before = [], sockets(pipe)
    for options, respond in kinds:
        for _ in range(5):
            identifier = t.dial(pipe, broker, **options)
            # The other end stays open here: it is the client that has to close.
            held.append(respond())
            check(not pipe.reply(identifier)["ok"], f"{options}: a connection was made")
    deadline = time.monotonic() + WAIT
    while sockets(pipe) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    check(sockets(pipe) <= before, f"{sockets(pipe) - before} sockets are open after {5 * len(kinds)} failures")
