"""A strict MQTT 3.1.1 codec for the far side of the client under test.

Decodes what a client may send and raises `Malformed` on anything else, reserved bits included.
Encodes what a broker sends; `packet` takes any first byte, body and length bytes, so lies are easy.
Written from the standard alone: it shares nothing with the client, so that one fault cannot hide another.
"""

from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14
NAMES = ["type0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
         "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "type15"]


class Malformed(Exception):
    """The client sent something that MQTT 3.1.1 forbids; the text names the rule."""


@dataclass
class Packet:
    """One packet of a client. Only the fields of its type mean something."""

    type: int
    packet_id: int = 0
    # PUBLISH
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    # SUBSCRIBE: (filter, qos); UNSUBSCRIBE: filter
    filters: list = field(default_factory=list)
    # CONNECT
    client_id: str = ""
    clean: bool = False
    keep_alive: int = 0
    will: tuple | None = None          # (topic, payload, qos, retain)
    username: str | None = None
    password: bytes | None = None
    size: int = 0                      # bytes on the wire

    def __str__(self):
        name = NAMES[self.type]
        if self.type == PUBLISH:
            body = self.payload if len(self.payload) <= 40 else f"{len(self.payload)} bytes"
            topic = self.topic if len(self.topic) <= 60 else self.topic[:60] + "..."
            return f"{name} q{self.qos} id={self.packet_id} dup={int(self.dup)} retain={int(self.retain)} {topic!r} {body}"
        if self.type == CONNECT:
            return (f"{name} {self.client_id!r} clean={int(self.clean)} keepAlive={self.keep_alive} will={self.will} "
                    f"username={self.username!r} password={self.password!r}")
        return f"{name} id={self.packet_id} {self.filters or ''}" if self.type not in (PINGREQ, DISCONNECT) else name


class Fields:
    """Reads the fields of one packet body, never beyond its end."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def left(self):
        return len(self.body) - self.at

    def take(self, count, what):
        if self.left() < count:
            raise Malformed(f"{what}: {count} bytes needed, {self.left()} left in the packet")
        self.at += count
        return bytes(self.body[self.at - count:self.at])

    def byte(self, what):
        return self.take(1, what)[0]

    def number(self, what):
        return int.from_bytes(self.take(2, what), "big")

    def binary(self, what):
        return self.take(self.number(what), what)

    def text(self, what):
        return text(self.binary(what), what)

    def identifier(self):
        value = self.number("packet identifier")
        if value == 0:
            raise Malformed("packet identifier 0 [MQTT-2.3.1-1]")
        return value

    def end(self, what):
        if self.left():
            raise Malformed(f"{what}: {self.left()} trailing bytes")


def text(raw, what):
    try:
        value = raw.decode("utf-8")     # Python refuses surrogates and overlong forms
    except UnicodeDecodeError as problem:
        raise Malformed(f"{what}: {problem} [MQTT-1.5.3-1]") from None
    if "\0" in value:
        raise Malformed(f"{what}: U+0000 [MQTT-1.5.3-2]")
    return value


def decode(first, body):
    """One packet of a client from its first byte and its body."""
    kind, flags = first >> 4, first & 15
    expected = {PUBLISH: None, PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}.get(kind, 0)
    if kind not in DECODERS:
        raise Malformed(f"a client never sends {NAMES[kind]}")
    if expected is not None and flags != expected:
        raise Malformed(f"{NAMES[kind]} with flags {flags:04b} [MQTT-2.2.2-1]")
    fields = Fields(body)
    packet = Packet(kind)
    DECODERS[kind](packet, fields, flags)
    fields.end(NAMES[kind])
    return packet


def _connect(packet, fields, _):
    if fields.binary("protocol name") != b"MQTT":
        raise Malformed("protocol name [MQTT-3.1.2-1]")
    if fields.byte("protocol level") != 4:
        raise Malformed("protocol level")
    flags = fields.byte("connect flags")
    packet.keep_alive = fields.number("keep alive")
    packet.clean = bool(flags & 2)
    packet.client_id = fields.text("client identifier")
    qos, retain = flags >> 3 & 3, bool(flags & 0x20)
    if flags & 1:
        raise Malformed("connect flag 0 is set [MQTT-3.1.2-3]")
    if flags & 4:
        if qos == 3:
            raise Malformed("will QoS 3 [MQTT-3.1.2-14]")
        packet.will = (fields.text("will topic"), fields.binary("will message"), qos, retain)
    elif qos or retain:
        raise Malformed("will QoS or retain without a will [MQTT-3.1.2-13] [MQTT-3.1.2-15]")
    if flags & 0x80:
        packet.username = fields.text("user name")
    elif flags & 0x40:
        raise Malformed("password without user name [MQTT-3.1.2-22]")
    if flags & 0x40:
        packet.password = fields.binary("password")
    if packet.client_id == "" and not packet.clean:
        raise Malformed("empty client identifier needs clean session [MQTT-3.1.3-7]")


def _publish(packet, fields, flags):
    packet.dup, packet.qos, packet.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
    if packet.qos == 3:
        raise Malformed("PUBLISH with QoS 3 [MQTT-3.3.1-4]")
    if packet.qos == 0 and packet.dup:
        raise Malformed("DUP on QoS 0 [MQTT-3.3.1-2]")
    packet.topic = fields.text("topic name")
    if packet.topic == "":
        raise Malformed("empty topic name [MQTT-4.7.3-1]")
    if "+" in packet.topic or "#" in packet.topic:
        raise Malformed("wildcard in a topic name [MQTT-3.3.2-2]")
    if packet.qos:
        packet.packet_id = fields.identifier()
    packet.payload = fields.take(fields.left(), "payload")


def _acknowledgement(packet, fields, _):
    packet.packet_id = fields.identifier()


def _subscribe(packet, fields, _):
    packet.packet_id = fields.identifier()
    while fields.left() or not packet.filters:      # at least one [MQTT-3.8.3-3]
        name, qos = fields.text("topic filter"), fields.byte("requested QoS")
        if qos > 2:
            raise Malformed("requested QoS [MQTT-3-8.3-4]")
        check_filter(name)
        packet.filters.append((name, qos))


def _unsubscribe(packet, fields, _):
    packet.packet_id = fields.identifier()
    while fields.left() or not packet.filters:      # at least one [MQTT-3.10.3-2]
        packet.filters.append(fields.text("topic filter"))
        check_filter(packet.filters[-1])


def check_filter(name):
    levels = name.split("/")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            raise Malformed(f"filter {name!r} [MQTT-4.7.1-2]")
        if "+" in level and level != "+":
            raise Malformed(f"filter {name!r} [MQTT-4.7.1-3]")
    if name == "":
        raise Malformed("empty filter [MQTT-4.7.3-1]")


def _nothing(packet, fields, _):
    pass


DECODERS = {CONNECT: _connect, PUBLISH: _publish, PUBACK: _acknowledgement, PUBREC: _acknowledgement,
            PUBREL: _acknowledgement, PUBCOMP: _acknowledgement, SUBSCRIBE: _subscribe, UNSUBSCRIBE: _unsubscribe,
            PINGREQ: _nothing, DISCONNECT: _nothing}


# What a broker sends.

def length(value):
    """The shortest remaining length."""
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 127
        out.append(digit | (128 if value else 0))
        if not value:
            return bytes(out)


def packet(first, body=b"", length_bytes=None):
    """Any packet, with a false length on request."""
    return bytes([first]) + (length(len(body)) if length_bytes is None else length_bytes) + body


def string(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return len(raw).to_bytes(2, "big") + raw


def u16(value):
    return value.to_bytes(2, "big")


def connack(session_present=False, code=0):
    return packet(0x20, bytes([int(session_present), code]))


def publish(topic, payload=b"", qos=0, packet_id=0, dup=False, retain=False):
    """`topic` may be bytes, to send what is no text."""
    first = 0x30 | dup << 3 | qos << 1 | int(retain)
    return packet(first, string(topic) + (u16(packet_id) if qos else b"") + payload)


def puback(packet_id):
    return packet(0x40, u16(packet_id))


def pubrec(packet_id):
    return packet(0x50, u16(packet_id))


def pubrel(packet_id):
    return packet(0x62, u16(packet_id))


def pubcomp(packet_id):
    return packet(0x70, u16(packet_id))


def suback(packet_id, codes):
    return packet(0x90, u16(packet_id) + bytes(codes))


def unsuback(packet_id):
    return packet(0xB0, u16(packet_id))


def pingresp():
    return packet(0xD0)
