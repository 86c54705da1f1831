"""Over TLS beside libmosquitto, and the memory of 1 GiB over TLS and over WebSocket.

The null broker is behind stunnel, so that both clients have the same peer. It and stunnel share the machine with the client: processor
time for a message says more than the rate.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from programs import HERE, OURS, NullBroker, Server, median

# The scenario, its size and its window, and how many messages.
ROWS = (("QoS 0 publish, 16 B", "pub0", 16, 1, 1_000_000), ("QoS 0 publish, 16 KiB", "pub0", 16_384, 1, 20_000),
        ("QoS 1 publish, 16 B, 100 outstanding", "pub1", 16, 100, 200_000), ("QoS 0 receive, 16 B", "sub0", 16, 1, 1_000_000))
LARGE = 64 << 20


def tls(programs, rounds, quick, note):
    if not shutil.which("stunnel") or not shutil.which("openssl"):
        print("left out: TLS needs stunnel and openssl (apt-get install stunnel4 openssl)", file=sys.stderr)
        return {}
    folder = tempfile.mkdtemp(prefix="tls", dir=HERE + "/.build")
    results = {}
    try:
        certificates(folder)
        tls_way, web_way = (stunnel, {"TLS": folder + "/ca.pem"}), (bridge, {"WEBSOCKET": "/mqtt"})
        for number in range(rounds):
            for name, scenario, size, window, count in ROWS:
                # With a thread of the library's: over TLS that is the faster way for libmosquitto.
                for peer in (OURS, "mosq-thread"):
                    if programs.has(peer):
                        note(f"{number + 1}/{rounds} TLS, {name}: {peer}")
                        results.setdefault(name, {}).setdefault(peer.split("-thread")[0], []).append(
                            once(programs, folder, tls_way, peer, scenario, count // (10 if quick else 1), size, window))
        for name, scenario in (("1 GiB published, QoS 1", "pub1"), ("1 GiB received, QoS 0", "sub0")):
            for label, way in (("TLS", tls_way), ("WebSocket", web_way)):
                note(f"{name}, {label}")
                results[f"{name}, {label}"] = {OURS: [once(programs, folder, way, OURS, scenario, 2 if quick else 16, LARGE, 1)]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    keys = ("rate", "cpu_us_per_msg", "hwm_kb", "secs")
    return {name: {peer: {key: median(found, key) for key in keys} for peer, found in peers.items()} for name, peers in results.items()}


def once(programs, folder, way, peer, scenario, count, size, window):
    front, environment = way
    with NullBroker(programs) as broker, Server(lambda port: front(folder, port, broker.port)) as server:
        # What the look for the server left at the broker is gone when it counts.
        time.sleep(0.1)
        return programs.run(peer, scenario, server.port, count, size, window, environment)


def stunnel(folder, port, broker):
    path = os.path.join(folder, "stunnel.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"foreground = yes\npid =\n[mqtt]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{broker}\n"
                   f"cert = {folder}/server.pem\nkey = {folder}/server.key\n")
    return ["stunnel", path]


def bridge(_, port, broker):
    return [sys.executable, f"{HERE}/websocket-bridge.py", str(port), str(broker)]


def certificates(folder):
    new = ["-newkey", "rsa:2048", "-nodes"]
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    for words in (["req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2"],
                  ["req", "-new", *new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost", "-addext", names],
                  ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1", "-days", "2",
                   "-copy_extensions", "copyall", "-out", "server.pem"]):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stderr=subprocess.DEVNULL)
