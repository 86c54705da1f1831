"""A WebSocket server in front of a broker in plain TCP, for tls.py: python3 websocket-bridge.py PORT BROKER-PORT

Bytes of the broker go out in frames of up to 256 KiB; those of the client are unmasked as one large number, which is quick in Python."""

import base64
import hashlib
import socket
import sys
import threading


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def inward(client, broker):
    try:
        while True:
            head = exactly(client, 2)
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(exactly(client, 2 if size == 126 else 8), "big")
            key = exactly(client, 4)
            if head[0] & 15 == 8:
                break
            while size > 0:
                part = exactly(client, min(size, 1 << 18))
                size -= len(part)
                mask = (key * (len(part) // 4 + 1))[:len(part)]
                broker.sendall((int.from_bytes(part, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(part), "big"))
    except (EOFError, OSError):
        pass
    broker.close()
    client.close()


def outward(client, broker):
    try:
        while data := broker.recv(1 << 18):
            client.sendall(b"\x82\x7f" + len(data).to_bytes(8, "big") + data)
    except OSError:
        pass
    client.close()


def serve(client, port):
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(4096)
        if not more:
            return client.close()
        head += more
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
                   + b"\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
    broker = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=outward, args=(client, broker), daemon=True).start()
    inward(client, broker)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0], int(sys.argv[2])), daemon=True).start()
