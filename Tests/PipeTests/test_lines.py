"""PIPE.md section 1: lines, ids, replies, ops that start in order."""

import json

import mqtt
from case import check, table


def denied_without_id(t, line):
    """Section 1: a line that is no JSON object or has no usable id is answered with denied and id null."""
    pipe = t.pipe()
    pipe.raw(line)
    reply = pipe.null_reply(1)
    check(reply["error"] == "denied", str(reply))
    pipe.alive()
    check(len(pipe.unnamed) == 1, f"exactly one reply: {pipe.unnamed}")


table(globals(), "no_object", [
    ("empty_line", b"\n"),
    ("blank", b"   \n"),
    ("word", b"hello\n"),
    ("number", b"17\n"),
    ("string", b'"ping"\n'),
    ("null", b"null\n"),
    ("array", b'[{"id":1,"op":"ping"}]\n'),
    ("unfinished", b'{"id":1,"op":"ping"\n'),
    ("two_on_a_line", b'{"id":1,"op":"ping"}{"id":2,"op":"ping"}\n'),
    ("text_behind", b'{"id":1,"op":"ping"} x\n'),
    ("single_quotes", b"{'id':1,'op':'ping'}\n"),
    ("trailing_comma", b'{"id":1,"op":"ping",}\n'),
    ("nul_byte", b"\0\n"),
    ("raw_control_character", b'{"id":1,"op":"pi\x01ng"}\n'),
    ("bytes_ff", b"\xff\xfe\xfd\n"),
    ("huge_binary", bytes(range(11, 256)) * 400 + b"\n"),
], denied_without_id)

table(globals(), "no_id", [
    ("missing", b'{"op":"ping"}\n'),
    ("text", b'{"id":"1","op":"ping"}\n'),
    ("fraction", b'{"id":1.5,"op":"ping"}\n'),
    ("null", b'{"id":null,"op":"ping"}\n'),
    ("true", b'{"id":true,"op":"ping"}\n'),
    ("array", b'{"id":[1],"op":"ping"}\n'),
    ("object", b'{"id":{},"op":"ping"}\n'),
    ("beyond_any_integer", b'{"id":1' + b"0" * 400 + b',"op":"ping"}\n'),
    ("empty_object", b"{}\n"),
], denied_without_id)


def not_unicode(t, text):
    """Section 1: a line that has a text that is not valid Unicode is denied, with the id when there is one."""
    pipe = t.pipe()
    identifier = pipe.claim(op="publish")
    pipe.raw(b'{"id":%d,"op":"publish","topic":"a","qos":1,%s}\n' % (identifier, text))
    pipe.error(identifier, "denied")
    pipe.alive()


table(globals(), "not_unicode", [
    ("high_surrogate", b'"payload":"\\ud800"'),
    ("low_surrogate", b'"payload":"a\\udc00b"'),
    ("reversed_pair", b'"payload":"\\udc00\\ud800"'),
    ("high_then_letter", b'"payload":"\\ud83dx"'),
    ("high_then_escape", b'"payload":"\\ud83d\\n"'),
    ("two_high", b'"payload":"\\ud83d\\ud83d\\ude00"'),
    ("in_unknown_field", b'"whatever":"\\ud800"'),
    ("in_nested_text", b'"whatever":[{"a":"\\udfff"}]'),
    ("in_field_name", b'"\\ud800":1'),
], not_unicode)


def bad_utf8(t, raw):
    """Section 1: UTF-8 JSON; a line with bytes that are no UTF-8 is denied (whether its id can be told is left open)."""
    pipe = t.pipe()
    identifier = pipe.claim(op="publish")
    pipe.raw(b'{"id":%d,"op":"publish","topic":"a","payload":"%s"}\n' % (identifier, raw))
    pipe.alive()
    replies = [line for line in pipe.order if line.get("id") in (identifier, None)]
    check([line.get("error") for line in replies] == ["denied"], f"one denied expected: {replies}")


table(globals(), "bad_utf8", [
    ("lone_continuation", b"\x80"), ("ff", b"\xff"), ("overlong_nul", b"\xc0\x80"), ("surrogate", b"\xed\xa0\x80"),
    ("too_large", b"\xf4\x90\x80\x80"), ("cut_short", b"\xe2\x82"),
], bad_utf8)


def test_surrogate_pair_is_text(t):
    """Section 1: only invalid Unicode is denied; an escaped pair is the character U+1F600."""
    pipe, _, link = t.online()
    identifier = pipe.claim(op="publish", qos=0)
    pipe.raw(b'{"id":%d,"op":"publish","topic":"\\ud83d\\ude00","payload":"\\u00e9\\/\\n"}\n' % identifier)
    pipe.ok(identifier)
    link.expect(mqtt.PUBLISH, topic="\U0001f600", payload="é/\n".encode())


def test_white_space_and_order_of_fields(t):
    """Section 1: any JSON object is an op, whatever its white space (CR too), order of fields and unknown fields."""
    pipe = t.pipe()
    identifiers = [pipe.claim(op="x") for _ in range(3)]
    pipe.raw(b'\t{ "op" : "x" ,\t"extra":{"id":99,"a":[1,2.5e3,null,true]}, "id" :  %d } \r\n' % identifiers[0])
    pipe.raw(b'{"\\u0069d":%d,"op":"\\u0078"}\n' % identifiers[1])
    pipe.raw(b'{"id":%d,"op":"x","op2":"ping"}\n' % identifiers[2])
    for identifier in identifiers:
        pipe.error(identifier, "unsupported")


def test_ids_of_any_integer(t):
    """Section 1: id is an integer: 0, negative and 53-bit ones come back as they are."""
    pipe = t.pipe()
    for identifier in (0, -1, 2**31, -(2**31) - 1, 2**53 - 1):
        pipe.ops[identifier] = {"op": "x"}
        pipe.raw(b'{"id":%d,"op":"x"}\n' % identifier)
        pipe.error(identifier, "unsupported")


def test_unknown_op(t):
    """Section 1: an unknown op is unsupported and nothing is sent."""
    pipe, _, link = t.online()
    for name in ("nothing", "PING", "", "connect ", "publish\0"):
        pipe.error(pipe.op(name), "unsupported")
    link.expect_nothing(0.2)
    pipe.call("publish", topic="a")
    link.expect(mqtt.PUBLISH, topic="a")


def test_op_missing_or_no_text(t):
    """Section 1: an object without a usable op gets one error reply under its id."""
    pipe = t.pipe()
    for text in (b"", b',"op":7', b',"op":null', b',"op":["ping"]'):
        identifier = pipe.claim()
        pipe.raw(b'{"id":%d%s}\n' % (identifier, text))
        pipe.error(identifier, "denied", "unsupported")


def test_line_in_pieces(t):
    """Section 1: only a newline ends a line, however the bytes arrive."""
    pipe = t.pipe()
    identifier = pipe.claim(op="x")
    line = b'{"id":%d,"op":"x","text":"\xf0\x9f\x98\x80"}\n' % identifier
    for index in range(len(line) - 1):
        pipe.raw(line[index:index + 1], shown="one byte")
    pipe.no_reply(identifier)
    pipe.raw(b"\n")
    pipe.error(identifier, "unsupported")


def long_line(t, length):
    """Section 1: lines may be up to 1 MiB long."""
    pipe, _, link = t.online()
    identifier = pipe.claim(op="publish", qos=1)
    head, tail = b'{"id":%d,"op":"publish","topic":"a","qos":1,"payload":"' % identifier, b'"}'
    payload = b"x" * (length - len(head) - len(tail))
    pipe.raw(head + payload + tail + b"\n", shown=f"line of {length} bytes")
    packet = link.expect(mqtt.PUBLISH, qos=1)
    check(packet.payload == payload, f"payload of {len(packet.payload)} bytes, expected {len(payload)}")
    link.send(mqtt.puback(packet.packet_id))
    pipe.ok(identifier)


table(globals(), "long_line", [("with_newline_1MiB", (1 << 20) - 1), ("without_newline_1MiB", 1 << 20)], long_line)


def test_longer_line(t):
    """Section 1: what happens to a line above 1 MiB is open, but the program lives and answers the next one."""
    pipe = t.pipe()
    identifier = pipe.claim(op="x")
    pipe.raw(b'{"id":%d,"op":"x","text":"%s"}\n' % (identifier, b"y" * (3 << 20)), shown="line of 3 MiB")
    pipe.alive()
    replies = [line for line in pipe.order if line.get("id") in (identifier, None)]
    check([line.get("error") for line in replies] in (["denied"], ["unsupported"]), f"exactly one reply: {replies}")


def test_deep_nesting(t):
    """Section 1: deep nesting ends neither the program nor the duty to answer."""
    pipe = t.pipe()
    for depth in (500, 100_000):
        identifier = pipe.claim(op="x")
        pipe.raw(b'{"id":%d,"op":"x","deep":%s}\n' % (identifier, b"[" * depth + b"]" * depth), shown=f"depth {depth}")
        pipe.alive()
        replies = [line for line in pipe.order if line.get("id") in (identifier, None)]
        check(len(replies) == 1 and replies[0]["error"] in ("denied", "unsupported"), f"exactly one reply: {replies}")
        pipe.order.clear()


def test_numbers_beyond_range(t):
    """Sections 1 and 2: numbers no argument can have are denied; they never end the program."""
    pipe, _, link = t.online()
    for text in (b'"qos":1e400', b'"qos":-1', b'"qos":3', b'"qos":1.5', b'"qos":"1"', b'"qos":99999999999999999999999',
                 b'"payloadSize":-1', b'"payloadSize":1e18', b'"payloadSize":9223372036854775807', b'"payloadSize":0.5'):
        identifier = pipe.claim(op="publish")
        pipe.raw(b'{"id":%d,"op":"publish","topic":"a",%s}\n' % (identifier, text))
        pipe._until(lambda: identifier in pipe.replies or pipe.unnamed or None, 20, f"reply to {text}")
        reply = pipe.replies.get(identifier) or pipe.unnamed.pop()
        check(reply.get("error") == "denied", f"{text}: {reply}")
    link.expect_nothing(0.1)
    pipe.alive()


def test_many_ops_before_any_reply(t):
    """Section 1: each op gets exactly one reply; ops run concurrently and none waits for the reply of another."""
    pipe, _, link = t.online(atLeastOnceMax=200)
    slow = pipe.batch(*[("subscribe", {"filters": [{"filter": f"f{n}", "qos": 1}]}) for n in range(50)],
                      *[("publish", {"topic": "a", "qos": 1, "payload": str(n)}) for n in range(50)],
                      *[("unsubscribe", {"filters": [f"f{n}"]}) for n in range(50)])
    packets = [link.packet() for _ in range(150)]
    check(len({packet.packet_id for packet in packets}) == 150, "identifiers in use are distinct [MQTT-2.3.1-2]")
    check(not pipe.replies.keys() & set(slow), "no reply before the broker's")
    for packet in reversed(packets):
        answer = {mqtt.SUBSCRIBE: lambda p: mqtt.suback(p.packet_id, [1]), mqtt.PUBLISH: lambda p: mqtt.puback(p.packet_id),
                  mqtt.UNSUBSCRIBE: lambda p: mqtt.unsuback(p.packet_id)}[packet.type]
        link.send(answer(packet))
    for identifier in slow:
        pipe.ok(identifier)


def test_ops_start_in_line_order(t):
    """Section 1: publishes of the same QoS level go out in the order of their lines, however quickly they come."""
    pipe, _, link = t.online(atLeastOnceMax=2000, exactlyOnceMax=2000)
    lines = [("publish", {"topic": f"q{n % 3}", "qos": n % 3, "payload": str(n)}) for n in range(1500)]
    identifiers = pipe.batch(*lines)
    seen = {0: [], 1: [], 2: []}
    while sum(map(len, seen.values())) < len(lines):
        packet = link.packet()
        check(packet is not None, f"publishes stopped: {[len(s) for s in seen.values()]}")
        if packet.type == mqtt.PUBLISH:
            seen[packet.qos].append(int(packet.payload))
            link.send(mqtt.puback(packet.packet_id) if packet.qos == 1 else mqtt.pubrec(packet.packet_id) if packet.qos else b"")
        else:
            link.send(mqtt.pubcomp(packet.packet_id))
    for qos, numbers in seen.items():
        check(numbers == sorted(numbers), f"order of QoS {qos}: {numbers[:40]}")
    open_ = sum(1 for identifier in identifiers if identifier not in pipe.replies)
    while open_ and (packet := link.packet(0.5)):
        link.send(mqtt.pubcomp(packet.packet_id))
    for identifier in identifiers:
        pipe.ok(identifier)


def test_publishes_behind_connect_in_one_write(t):
    """Section 1: ops are started in line order, so lines behind a connect find its client or its attempt, and get one reply each."""
    pipe, broker = t.pipe(), t.broker()
    connect, *rest = pipe.batch(("connect", {"host": "127.0.0.1", "port": broker.port, "clientID": "c"}),
                                ("publish", {"topic": "a", "qos": 1}), ("ping", {}))
    link = broker.welcome()
    pipe.ok(connect)
    while packet := link.packet(0.5):
        link.send(mqtt.pingresp() if packet.type == mqtt.PINGREQ else mqtt.puback(packet.packet_id))
    for identifier in rest:
        reply = pipe.reply(identifier)
        check(reply["ok"] or reply["error"] in ("closed", "down"), str(reply))


def test_without_a_client(t):
    """Section 1: ops that need a client while there is none reply closed."""
    pipe = t.pipe()
    for name, fields in [("publish", {"topic": "a"}), ("publish", {"topic": "a", "qos": 2}), ("ping", {}), ("next", {}),
                         ("subscribe", {"filters": [{"filter": "a", "qos": 0}]}), ("unsubscribe", {"filters": ["a"]}), ("disconnect", {})]:
        pipe.error(pipe.op(name, **fields), "closed")
    close = pipe.reply(pipe.op("close"))
    check(close["ok"] or close["error"] == "closed", f"always ok, or closed: {close}")


def test_stdout_is_utf8_json_for_any_topic(t):
    """Section 1: UTF-8 JSON, one object per line, whatever a topic holds; U+FEFF is kept [MQTT-1.5.3-3]."""
    pipe, _, link = t.online()
    topics = ['quote"back\\slash', "new\nline\r\t\x1b\x7f", "\ufeffmark", "e\u0301 \u00e9", "\U0001f600\u2028\u2029", "\ud7ff\ue000\uffff",
              "/"]
    link.send(*[mqtt.publish(topic, b"x") for topic in topics])
    for topic in topics:
        pipe.event("message", topic=topic)
    for topic in topics:
        pipe.call("publish", topic=topic)
        link.expect(mqtt.PUBLISH, topic=topic)


def test_line_as_python_writes_it(t):
    """Section 1: the ASCII-escaped form of JSON is the same op as the UTF-8 form."""
    pipe, _, link = t.online()
    identifier = pipe.claim(op="publish", qos=0)
    pipe.raw(json.dumps({"id": identifier, "op": "publish", "topic": "ü/\U0001f600/\ufeff", "payload": "\u0000"}).encode() + b"\n")
    pipe.ok(identifier)
    link.expect(mqtt.PUBLISH, topic="ü/\U0001f600/\ufeff", payload=b"\0")
