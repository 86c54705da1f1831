"""PIPE.md section 3: what CONNECT holds, over which transports, and the life of a client."""

import base64
import socket

import mqtt
from broker import Failure
from case import Skipped, check, table


def connect_fields(t, fields, expected):
    """Section 3: the fields of the op are those of the CONNECT packet [MQTT-3.1.0-1] [MQTT-3.1.3-1]."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker, **fields)
    link = broker.welcome(**expected)
    pipe.ok(identifier)
    link.expect_nothing(0.1)


table(globals(), "field", [
    ("defaults", {}, {"client_id": "c1", "clean": False, "keep_alive": 0, "will": None, "username": None, "password": None}),
    ("clean_session", {"cleanSession": True}, {"clean": True}),
    ("clean_start_is_not_for_3_1_1", {"cleanStart": True}, {"clean": False}),
    ("client_id_any_text", {"clientID": "Grün \U0001f600/" + "x" * 500}, {"client_id": "Grün \U0001f600/" + "x" * 500}),
    ("client_id_65535_bytes", {"clientID": "x" * 65535}, {"client_id": "x" * 65535}),
    ("client_id_empty", {"clientID": "", "cleanSession": True}, {"client_id": "", "clean": True}),
    ("version", {"version": "3.1.1"}, {"client_id": "c1"}),
    ("keep_alive_max", {"keepAlive": 65535}, {"keep_alive": 65535}),
    ("username", {"username": "ü"}, {"username": "ü", "password": None}),
    ("username_empty", {"username": ""}, {"username": "", "password": None}),
    ("password_text", {"username": "u", "password": "pä\u0001ss"}, {"username": "u", "password": "pä\u0001ss".encode()}),
    ("password_bytes", {"username": "u", "passwordBase64": base64.b64encode(bytes(range(256))).decode()}, {"password": bytes(range(256))}),
    ("password_empty", {"username": "u", "password": ""}, {"username": "u", "password": b""}),
    ("password_65535_bytes", {"username": "u", "password": "p" * 65535}, {"password": b"p" * 65535}),
    ("will_defaults", {"will": {"topic": "w", "payload": "bye"}}, {"will": ("w", b"bye", 0, False)}),
    ("will_full", {"will": {"topic": "w/1", "payloadBase64": "AP8=", "qos": 2, "retain": True}}, {"will": ("w/1", b"\0\xff", 2, True)}),
    ("will_qos1", {"will": {"topic": "w", "payload": "x", "qos": 1}, "username": "u"}, {"will": ("w", b"x", 1, False), "username": "u"}),
    ("will_empty_payload", {"will": {"topic": "w", "payload": "", "retain": True}}, {"will": ("w", b"", 0, True)}),
    ("will_65535_bytes", {"will": {"topic": "w", "payload": "x" * 65535}}, {"will": ("w", b"x" * 65535, 0, False)}),
    ("all", {"will": {"topic": "w", "payload": "x"}, "username": "u", "password": "p", "cleanSession": True, "keepAlive": 300},
     {"will": ("w", b"x", 0, False), "username": "u", "password": b"p", "clean": True, "keep_alive": 300}),
], connect_fields)


def test_reply_and_online(t):
    """Sections 3 and 6: the reply has sessionPresent, online comes for the first connection too, once."""
    for present in (False, True):
        pipe, broker = t.pipe(), t.broker()
        t.join(pipe, broker, present)
        pipe.no_event("online", 0.2)


def test_connack_byte_by_byte(t):
    """Section 3: a CONNACK in pieces is a CONNACK."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.trickle(mqtt.connack(True), 0.05)
    check(pipe.ok(identifier)["sessionPresent"] is True, "sessionPresent")


def test_connack_with_messages_behind(t):
    """Section 5: messages that come in one segment with CONNACK are delivered."""
    pipe, broker = t.pipe(), t.broker()
    identifier = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    link.send(mqtt.connack(True), mqtt.publish("a", b"1", 1, 7), mqtt.publish("a", b"2", 2, 8), mqtt.publish("a", b"3"))
    pipe.ok(identifier)
    check([m["payloadBase64"] for m in pipe.messages(3)] == ["MQ==", "Mg==", "Mw=="], "order")
    link.expect(mqtt.PUBACK, packet_id=7)
    link.expect(mqtt.PUBREC, packet_id=8)


def test_reconnect_does_not_clean(t):
    """Section 3: cleanSession applies to the first connection; later ones ask to continue, with all other fields the same."""
    fields = {"cleanSession": True, "keepAlive": 99, "username": "u", "password": "p", "will": {"topic": "w", "payload": "x", "qos": 1}}
    pipe, broker, link = t.online(**fields)
    check(link.connect.clean, "clean first")
    for _ in range(2):
        link.close()
        pipe.event("offline")
        link = t.again(pipe, broker, session_present=True)
        check(not link.connect.clean, "a reconnect asks to continue")
        check((link.connect.keep_alive, link.connect.username, link.connect.password, link.connect.will) ==
              (99, "u", b"p", ("w", b"x", 1, False)), str(link.connect))


def test_reconnect_with_empty_client_id_cleans(t):
    """Section 3: in 3.1.1 with an empty client ID the flag is always 1 [MQTT-3.1.3-7]."""
    pipe, broker, link = t.online(clientID="", cleanSession=True)
    link.close()
    pipe.event("offline")
    link = t.again(pipe, broker, session_present=False)
    check(link.connect.clean and link.connect.client_id == "", str(link.connect))


def test_clean_flag_kept_until_accepted(t):
    """Section 3: the first connection made by the op is a clean one; a failed attempt does not use the flag up for the next op."""
    pipe, broker = t.pipe(), t.broker()
    for code in (3, 0):
        identifier = t.dial(pipe, broker, cleanSession=True)
        link = broker.accept()
        link.expect(mqtt.CONNECT, clean=True)
        link.send(mqtt.connack(False, code))
        if code:
            pipe.error(identifier, "connectionRefused")
    pipe.ok(identifier)


def test_unix_socket(t):
    """Section 3: unix is the path of a Unix domain socket, in place of host and port; reconnects go there too."""
    path = t.folder() + "/s"
    pipe, broker = t.pipe(), t.broker(family=socket.AF_UNIX, path=path)
    identifier = pipe.op("connect", unix=path, clientID="c", reconnectMin=0.05, reconnectMax=0.1)
    link = broker.welcome()
    pipe.ok(identifier)
    pipe.event("online")
    link.close()
    pipe.event("offline", error="connectionLost")
    link = t.again(pipe, broker)
    identifier = pipe.op("publish", topic="a", payloadSize=300_000)
    check(len(link.expect(mqtt.PUBLISH).payload) == 300_000, "size")
    pipe.ok(identifier)


def test_unix_socket_missing(t):
    """Section 3: down, when no connection could be had."""
    pipe = t.pipe()
    for path in (t.folder() + "/none", t.folder() + "/" + "x" * 300):
        pipe.error(pipe.op("connect", unix=path, clientID="c"), "down", "denied")
    pipe.error(pipe.op("ping"), "closed")


def test_ipv6(t):
    """Section 3: host may be an IPv6 address."""
    try:
        broker = t.broker(family=socket.AF_INET6)
    except OSError as problem:
        raise Skipped(f"no IPv6 loopback here: {problem}") from None
    t.join(t.pipe(), broker, host="::1")


def test_host_name(t):
    """Section 3: host may be a name (localhost, also when it stands for ::1 first)."""
    t.join(t.pipe(), t.broker(), host="localhost")


def test_second_connect_denied(t):
    """Section 1: a connect while there is a client replies denied, and changes nothing."""
    pipe, broker, link = t.online()
    pipe.error(t.dial(pipe, broker, clientID="c2"), "denied")
    broker.expect_no_connection(0.2)
    pipe.call("publish", topic="a")
    link.expect(mqtt.PUBLISH)


def test_connect_while_connecting_denied(t):
    """Section 1: one client at a time, also while the first attempt is under way."""
    pipe, broker = t.pipe(), t.broker()
    first = t.dial(pipe, broker)
    link = broker.accept()
    link.expect(mqtt.CONNECT)
    pipe.error(t.dial(pipe, broker), "denied")
    link.send(mqtt.connack())
    pipe.ok(first)


def test_connect_while_reconnecting_denied(t):
    """Section 1: a client that is offline is a client."""
    pipe, broker, link = t.online()
    t.offline(pipe, broker, link)
    pipe.error(t.dial(pipe, broker), "denied")
    t.again(pipe, broker)


def test_connect_again_after_the_end(t):
    """Section 1: after disconnect or close another connect may follow, as a new client with new fields."""
    pipe, broker, link = t.online(clientID="one")
    for name, kind in [("disconnect", "two"), ("close", "three"), ("disconnect", "four")]:
        pipe.call(name)
        link.expect_end(ignoring=(mqtt.DISCONNECT,))
        link = t.join(pipe, broker, clientID=kind)
        check(link.connect.client_id == kind, str(link.connect))


def test_new_client_starts_empty(t):
    """Section 3: without a store session state is in memory only, so a new client has nothing of the one before."""
    pipe, broker, link = t.online()
    pipe.op("publish", topic="old", qos=1)
    pipe.op("publish", topic="old", qos=2)
    pipe.event("accepted")
    pipe.event("accepted")
    link.send(mqtt.publish("a", b"1", 2, 5))
    pipe.event("message")
    pipe.call("close")
    link = t.join(pipe, broker, session_present=True)
    link.expect_nothing(0.3)
    link.send(mqtt.publish("a", b"2", 2, 5))
    pipe.event("message", payloadBase64="Mg==")


def test_unsupported_features(t):
    """Section 1: a feature that is not there yet is unsupported and nothing is sent; one that is there must work on its own terms."""
    pipe, broker = t.pipe(), t.broker()
    for fields in ({"tls": {}}, {"websocket": "/mqtt"}, {"version": "5.0"}):
        identifier = t.dial(pipe, broker, **fields)
        try:
            link = broker.accept(0.5)
        except Failure:
            pipe.error(identifier, "unsupported")
            continue
        link.close()
        pipe.error(identifier, "down", "protocolViolation")


def test_timeout_zero(t):
    """Section 4: a timeout of 0 on any op has already passed: canceled, nothing is sent, and there is no client."""
    pipe, broker = t.pipe(), t.broker()
    pipe.error(t.dial(pipe, broker, timeout=0), "canceled")
    broker.expect_no_connection(0.2)
    t.join(pipe, broker)
