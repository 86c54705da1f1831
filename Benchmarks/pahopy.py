#!/usr/bin/env python3
"""Driver for Python's paho-mqtt, with the command line of the C drivers: pahopy.py SCENARIO HOST PORT COUNT SIZE [WINDOW]"""

import resource
import sys
import threading
import time

import paho.mqtt.client as mqtt


def main():
    scenario, host, port, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    window = int(sys.argv[6]) if len(sys.argv) > 6 else 1
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench")
    client.max_inflight_messages_set(max(20, window))
    online, done, room = threading.Event(), threading.Event(), threading.Semaphore(window)
    state = {"acknowledged": 0, "received": 0}
    qos = int(scenario[3]) if scenario[3].isdigit() else 1
    # At QoS 0 one message of QoS 1 at the end is answered behind all others.
    last = count if qos or scenario.startswith("sub") else count + 1

    def published(*_):
        state["acknowledged"] += 1
        room.release()
        if state["acknowledged"] == last:
            done.set()

    def received(*_):
        state["received"] += 1
        if state["received"] == count:
            done.set()

    client.on_connect = lambda *_: online.set()
    client.on_publish = published
    client.on_message = received
    client.connect(host, port, 600)
    client.loop_start()
    online.wait()
    payload, latencies = b"x" * size, []
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    if scenario == "rtt":
        for _ in range(count):
            began = time.monotonic()
            room.acquire()
            client.publish("bench/topic", payload, 1)
            while not room.acquire(timeout=10):
                pass
            room.release()
            latencies.append((time.monotonic() - began) * 1e6)
    elif scenario.startswith("pub"):
        room = threading.Semaphore(window if qos else 1_000)
        for _ in range(count):
            room.acquire()
            client.publish("bench/topic", payload, qos)
        if not qos:
            client.publish("bench/topic", b"", 1)
        done.wait()
    else:
        client.subscribe(f"flood/{qos}/{count}/{size}/{window if window > 1 else 1000}", qos)
        done.wait()
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    line = f"RESULT peer=paho-python scenario={scenario} count={count} size={size} window={window} secs={seconds}"
    line += f" rate={count / seconds:.0f}"
    if latencies:
        latencies.sort()
        line += f" p50={latencies[count // 2]:.1f} p99={latencies[count * 99 // 100]:.1f}"
    print(f"{line} user={user} sys={system} cpu_us_per_msg={(user + system) * 1e6 / count} hwm_kb={after.ru_maxrss}", flush=True)
    client.disconnect()


if __name__ == "__main__":
    main()
