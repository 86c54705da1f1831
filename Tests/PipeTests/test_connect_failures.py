"""PIPE.md section 3: denied arguments, CONNACK refusals and garbage, attempts that fail."""

import select
import socket
import time

import mqtt
from case import check, table


def connect_denied(t, fields):
    """Section 3: invalid arguments are denied, no connection is attempted, and there is no client."""
    pipe, broker = t.pipe(), t.broker()
    defaults = {"host": "127.0.0.1", "port": broker.port, "clientID": "c1"}
    merged = {key: value for key, value in {**defaults, **fields}.items() if value is not ...}
    pipe.error(pipe.op("connect", **merged), "denied")
    broker.expect_no_connection(0.15)
    pipe.error(pipe.op("ping"), "closed")
    t.join(pipe, broker)


table(globals(), "denied", [
    ("no_address", {"host": ..., "port": ...}),
    ("port_missing", {"port": ...}),
    ("port_zero", {"port": 0}),
    ("port_65536", {"port": 65536}),
    ("port_negative", {"port": -1}),
    ("port_text", {"port": "1883"}),
    ("host_number", {"host": 7}),
    ("version_unknown", {"version": "7"}),
    ("client_id_nul", {"clientID": "a\0b"}),
    ("client_id_number", {"clientID": 5}),
    ("client_id_65536", {"clientID": "x" * 65536}),
    ("client_id_65536_in_utf8", {"clientID": "ü" * 32768}),
    ("client_id_empty", {"clientID": ""}),
    ("client_id_absent", {"clientID": ...}),
    ("clean_session_text", {"cleanSession": "yes"}),
    ("keep_alive_65536", {"keepAlive": 65536}),
    ("keep_alive_negative", {"keepAlive": -1}),
    ("keep_alive_text", {"keepAlive": "10"}),
    ("keep_alive_fraction", {"keepAlive": 1.5}),
    ("username_nul", {"username": "\0"}),
    ("username_65536", {"username": "x" * 65536}),
    ("password_alone", {"password": "p"}),
    ("password_bytes_alone", {"passwordBase64": "AA=="}),
    ("password_65536", {"username": "u", "password": "x" * 65536}),
    ("password_bytes_65536", {"username": "u", "passwordBase64": "AAAA" * 21845 + "AA=="}),
    ("password_base64_bad", {"username": "u", "passwordBase64": "A$=="}),
    ("will_topic_missing", {"will": {"payload": "x"}}),
    ("will_topic_empty", {"will": {"topic": "", "payload": "x"}}),
    ("will_topic_plus", {"will": {"topic": "a/+", "payload": "x"}}),
    ("will_topic_hash", {"will": {"topic": "#", "payload": "x"}}),
    ("will_topic_nul", {"will": {"topic": "a\0", "payload": "x"}}),
    ("will_topic_65536", {"will": {"topic": "x" * 65536, "payload": "x"}}),
    ("will_payload_65536", {"will": {"topic": "w", "payload": "x" * 65536}}),
    ("will_qos_3", {"will": {"topic": "w", "payload": "x", "qos": 3}}),
    ("will_qos_negative", {"will": {"topic": "w", "payload": "x", "qos": -1}}),
    ("will_no_object", {"will": "w"}),
    ("at_least_once_max_0", {"atLeastOnceMax": 0}),
    ("at_least_once_max_10001", {"atLeastOnceMax": 10001}),
    ("exactly_once_max_0", {"exactlyOnceMax": 0}),
    ("exactly_once_max_10001", {"exactlyOnceMax": 10001}),
    ("exactly_once_max_negative", {"exactlyOnceMax": -5}),
    ("receive_unknown", {"receive": "push"}),
    ("session_unknown", {"session": "old"}),
    ("pause_timeout_negative", {"pauseTimeout": -1}),
    ("reconnect_min_negative", {"reconnectMin": -1}),
    ("reconnect_max_text", {"reconnectMax": "x"}),
], connect_denied)


def connect_extreme(t, fields):
    """Section 3: extreme numbers of seconds or bytes are denied or honoured; they never end the program."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker, **fields)
    while identifier not in pipe.replies:
        if select.select([broker.socket], [], [], 0.05)[0]:
            broker.welcome()
            pipe.ok(identifier)
            return
    pipe.error(identifier, "denied")


table(globals(), "extreme", [
    ("pause_timeout_1e300", {"pauseTimeout": 1e300}), ("pause_timeout_1e12", {"pauseTimeout": 1e12}),
    ("reconnect_max_1e300", {"reconnectMax": 1e300}), ("reconnect_min_above_max", {"reconnectMin": 3, "reconnectMax": 1}),
    ("maximum_packet_size_1e15", {"maximumPacketSize": 10**15}), ("reconnect_min_0", {"reconnectMin": 0}),
], connect_extreme)


def refused(t, code):
    """Section 3: CONNACK with an error code is connectionRefused with reasonCode; nothing goes on, connect may be tried again."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(False, code))
    reply = pipe.error(identifier, "connectionRefused")
    check(reply.get("reasonCode") == code, f"reasonCode {code}: {reply}")
    link.expect_end()
    pipe.error(pipe.op("ping"), "closed")
    broker.expect_no_connection(0.6)
    pipe.no_event("online", 0)
    t.join(pipe, broker)


table(globals(), "refused", [(str(code), code) for code in (1, 2, 3, 4, 5)], refused)


def no_connack(t, answer, names):
    """Section 3: something that is no valid CONNACK [MQTT-3.2.0-1] is a protocolViolation; nothing goes on in the background."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.send(answer)
    pipe.error(identifier, *names)
    link.expect_end()
    pipe.error(pipe.op("ping"), "closed")
    broker.expect_no_connection(0.4)
    t.join(pipe, broker)


VIOLATION = ("protocolViolation",)
table(globals(), "no_connack", [
    ("flags", b"\x21\x02\x00\x00", VIOLATION),
    ("long", b"\x20\x03\x00\x00\x00", VIOLATION),
    ("short", b"\x20\x01\x00", VIOLATION),
    ("empty", b"\x20\x00", VIOLATION),
    ("reserved_bits", b"\x20\x02\x02\x00", VIOLATION),
    ("reserved_high_bit", b"\x20\x02\x80\x00", VIOLATION),
    ("code_6", b"\x20\x02\x00\x06", ("protocolViolation", "connectionRefused")),
    ("code_255", b"\x20\x02\x00\xff", ("protocolViolation", "connectionRefused")),
    ("refusal_with_session_present", b"\x20\x02\x01\x05", ("protocolViolation", "connectionRefused")),
    ("publish_first", mqtt.publish("a", b"x"), VIOLATION),
    ("pingresp_first", mqtt.pingresp(), VIOLATION),
    ("puback_first", mqtt.puback(1), VIOLATION),
    ("pubrel_first", mqtt.pubrel(1), VIOLATION),
    ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n", VIOLATION),
    ("tls_alert", b"\x15\x03\x01\x00\x02\x02\x46", VIOLATION),
    ("type_0", b"\x00\x00", VIOLATION),
    ("type_15", b"\xf0\x00", VIOLATION),
    ("zeros", bytes(64), VIOLATION),
    ("length_of_five_bytes", b"\x20\x80\x80\x80\x80\x01", VIOLATION),
    ("length_of_256_mib", b"\x20\xff\xff\xff\x7f", VIOLATION),
    ("echo_of_connect", b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x00\x00\x02c1", VIOLATION),
], no_connack)


def ended_before(t, part, end):
    """Section 3: down, when the connection was closed before CONNACK."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    if part:
        link.send(part)
    getattr(link, end)()
    pipe.error(identifier, "down")
    pipe.error(pipe.op("ping"), "closed")
    broker.expect_no_connection(0.4)
    t.join(pipe, broker)


table(globals(), "ended_before_connack", [
    ("close", b"", "close"), ("reset", b"", "reset"), ("half_close", b"", "half_close"),
    ("partial_close", b"\x20\x02\x00", "close"), ("partial_header_close", b"\x20", "half_close"),
], ended_before)


def test_closed_at_once(t):
    """Section 3: down, when the broker accepts and closes before it read a byte."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    broker.accept().reset()
    pipe.error(identifier, "down")
    broker.expect_no_connection(0.3)


def test_nobody_listens(t):
    """Section 3: down, when no connection could be had."""
    pipe, broker = t.pipe(), t.broker()
    broker.refuse()
    pipe.error(t.dial(pipe, broker), "down")
    pipe.error(pipe.op("ping"), "closed")
    broker.listen()
    broker.expect_no_connection(0.6)
    t.join(pipe, broker)


def test_no_such_host(t):
    """Section 3: down (or timeout while the resolver is asked), for a host name that does not exist."""
    pipe = t.pipe()
    pipe.error(pipe.op("connect", host="no-such-host.invalid", port=1883, clientID="c", pauseTimeout=3), "down", "timeout", timeout=60)
    pipe.alive()


def test_never_accepted_by_anybody(t):
    """Section 3 and 6: an attempt that hangs in the TCP handshake ends within a reasonable time; end of file works meanwhile."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):      # a full backlog: further handshakes get no answer
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    pipe = t.pipe()
    identifier = pipe.op("connect", host="127.0.0.1", port=listener.getsockname()[1], clientID="c", pauseTimeout=1)
    reply = pipe.reply(identifier, 30)
    check(not reply["ok"] and reply["error"] in ("down", "timeout"), str(reply))
    pipe.op("connect", host="127.0.0.1", port=listener.getsockname()[1], clientID="c", pauseTimeout=60)
    time.sleep(0.2)
    pipe.finish()


def timeout_before(t, part):
    """Sections 3 and 6: no CONNACK within pauseTimeout is timeout; the connection is dropped, nothing goes on."""
    pipe, broker = t.pipe(), t.broker()
    began = time.monotonic()
    identifier = t.dial(pipe, broker, pauseTimeout=0.6)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    if part:
        link.send(part)
    pipe.error(identifier, "timeout")
    check(0.5 < time.monotonic() - began < 4, f"after {time.monotonic() - began:.2f} s")
    link.expect_end()
    broker.expect_no_connection(0.4)
    pipe.error(pipe.op("ping"), "closed")
    t.join(pipe, broker)


table(globals(), "timeout", [("silence", b""), ("one_byte", b"\x20"), ("three_bytes", b"\x20\x02\x00")], timeout_before)


def test_session_present_for_a_clean_session(t):
    """[MQTT-3.2.2-1] broken by the broker: taken, or a protocolViolation; the page leaves it open, the program goes on."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker, cleanSession=True)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(True))
    reply = pipe.reply(identifier)
    check(reply["ok"] or reply["error"] == "protocolViolation", str(reply))
    pipe.alive()


def test_close_while_connecting(t):
    """Sections 2 and 4: the pending connect replies closed, close is ok, nothing goes on."""
    for name in ("close", "disconnect"):
        pipe, broker = t.pipe(), t.broker()
        identifier = t.dial(pipe, broker)
        link = broker.accept()
        link.expect(mqtt.CONNECT)
        end = pipe.reply(pipe.op(name))
        check(end["ok"] or (name == "disconnect" and end["error"] == "down"), str(end))
        pipe.error(identifier, "closed")
        link.expect_end(ignoring=(mqtt.DISCONNECT,) if name == "disconnect" else ())
        broker.expect_no_connection(0.3)
        t.join(pipe, broker)
