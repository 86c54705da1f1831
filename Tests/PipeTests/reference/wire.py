"""The client's side of MQTT 3.1.1 for the reference client: what it sends, and strict checks of what it gets."""


class Violation(Exception):
    """The broker sent something that the protocol forbids."""


class Denied(Exception):
    """An invalid argument."""


def u16(value):
    return value.to_bytes(2, "big")


def length(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def binary(value, what="text"):
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) > 65535:
        raise Denied(f"{what} is longer than 65,535 bytes")
    return u16(len(raw)) + raw


def text(value, what):
    if not isinstance(value, str):
        raise Denied(f"{what} is no text")
    if "\0" in value:
        raise Denied(f"{what} has U+0000")
    return binary(value, what)


def topic(value, what="topic"):
    raw = text(value, what)
    if value == "" or "+" in value or "#" in value:
        raise Denied(f"{what} is empty or has a wildcard")
    return raw


def topic_filter(value):
    raw = text(value, "filter")
    levels = value.split("/")
    for index, level in enumerate(levels):
        if ("#" in level and (level != "#" or index < len(levels) - 1)) or ("+" in level and level != "+"):
            raise Denied("malformed filter")
    if value == "":
        raise Denied("empty filter")
    return raw


def connect(fields, clean):
    flags, body = 2 if clean else 0, binary(fields.client_id)
    if fields.will:
        name, payload, qos, retain = fields.will
        flags |= 4 | qos << 3 | retain << 5
        body += name + binary(payload, "will payload")
    if fields.username is not None:
        flags |= 0x80
        body += binary(fields.username)
    if fields.password is not None:
        flags |= 0x40
        body += binary(fields.password)
    body = b"\0\4MQTT\4" + bytes([flags]) + u16(fields.keep_alive) + body
    return b"\x10" + length(len(body)) + body


def publish_head(name, qos, retain, dup, packet_id, size):
    rest = name + (u16(packet_id) if qos else b"")
    if len(rest) + size > 268435455:
        raise Denied("larger than any packet")
    return bytes([0x30 | dup << 3 | qos << 1 | retain]) + length(len(rest) + size) + rest


def subscribe(packet_id, filters):
    body = u16(packet_id) + b"".join(name + bytes([qos]) for name, qos in filters)
    return b"\x82" + length(len(body)) + body


def unsubscribe(packet_id, filters):
    body = u16(packet_id) + b"".join(filters)
    return b"\xa2" + length(len(body)) + body


def acknowledgement(first, packet_id):
    return bytes([first, 2]) + u16(packet_id)


# Inbound

LENGTHS = {2: (2, 2), 4: (2, 2), 5: (2, 2), 6: (2, 2), 7: (2, 2), 9: (3, 268435455), 11: (2, 2), 13: (0, 0)}


def check_header(first, size, online):
    """What the fixed header alone tells."""
    kind, flags = first >> 4, first & 15
    if kind == 3:
        if flags >> 1 & 3 == 3 or (flags >> 1 & 3 == 0 and flags & 8):
            raise Violation("PUBLISH flags")
    elif kind not in LENGTHS or flags != (2 if kind == 6 else 0):
        raise Violation("type or flags")
    elif not LENGTHS[kind][0] <= size <= LENGTHS[kind][1]:
        raise Violation("remaining length")
    if online == (kind == 2):
        raise Violation("CONNACK is the first packet, and only that")


def topic_name(raw):
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Violation("topic is no UTF-8") from None
    if name == "" or any(character in name for character in "\0+#"):
        raise Violation("topic name")
    return name
