// Driver for libmosquitto 2.0.11.
//   cc -O2 -o mosq mosq.c -lmosquitto ;  ./mosq SCENARIO HOST PORT COUNT SIZE [WINDOW]
// Without THREAD=1: one thread, mosquitto_loop by hand (publish writes directly).
// With THREAD=1:    mosquitto_loop_start, publish from the main thread.
#include "bench.h"
#include <mosquitto.h>
#include <semaphore.h>
#include <poll.h>
#include <stdatomic.h>
static _Atomic long acked, got; static int sub, connected; static sem_t win, fin; static long want; static int threaded; static const char *peer = "mosq";
static void on_connect(struct mosquitto *m, void *o, int rc) { if (rc) { fprintf(stderr, "connect %d\n", rc); exit(1); } connected = 1; if (threaded) sem_post(&fin); }
static void on_publish(struct mosquitto *m, void *o, int mid) { long k = ++acked; if (threaded) { sem_post(&win); if (k == want) sem_post(&fin); } }
static void on_message(struct mosquitto *m, void *o, const struct mosquitto_message *x) { if (++got == want && threaded) sem_post(&fin); }
static void on_disconnect(struct mosquitto *m, void *o, int rc) { if (rc) { fprintf(stderr, "disconnected rc=%d acked=%ld got=%ld\n", rc, acked, got); exit(1); } }
static void ck(int rc) { if (rc) { fprintf(stderr, "error: %s\n", mosquitto_strerror(rc)); exit(1); } }
int main(int ac, char **av) {
    const char *sc = av[1]; int port = atoi(av[3]); long n = atol(av[4]), size = atol(av[5]), w = ac > 6 ? atol(av[6]) : 1;
    threaded = !!getenv("THREAD"); if (threaded) peer = "mosq-thread";
    mosquitto_lib_init();
    if (!strcmp(sc, "idle")) {
        sem_init(&fin, 0, 0);
        long r0 = bn_status("VmRSS:"); bn_mark a = bn_take(); struct mosquitto **ms = malloc(n * sizeof *ms);
        for (long i = 0; i < n; i++) {
            char id[32]; sprintf(id, "idle%ld", i); struct mosquitto *m = ms[i] = mosquitto_new(id, true, 0); connected = 0;
            mosquitto_connect_callback_set(m, on_connect); ck(mosquitto_connect(m, av[2], port, 600));
            if (threaded) { ck(mosquitto_loop_start(m)); sem_wait(&fin); } else while (!connected) { struct pollfd f = {mosquitto_socket(m), POLLIN | (mosquitto_want_write(m) ? POLLOUT : 0), 0}; poll(&f, 1, 100); if (f.revents & POLLIN) ck(mosquitto_loop_read(m, 1)); if (f.revents & POLLOUT) ck(mosquitto_loop_write(m, 1)); }
        }
        sleep(2); bn_idle(peer, n, r0, a); _exit(0);
    }
    sem_init(&win, 0, 0); sem_init(&fin, 0, 0);
    struct mosquitto *m = mosquitto_new("bench", true, 0); char *msg = malloc(size + 1); memset(msg, 'x', size);
    mosquitto_connect_callback_set(m, on_connect); mosquitto_publish_callback_set(m, on_publish); mosquitto_message_callback_set(m, on_message); mosquitto_disconnect_callback_set(m, on_disconnect);
    mosquitto_max_inflight_messages_set(m, w < 20 ? 20 : w);
    if (getenv("NODELAY")) { mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1); peer = threaded ? "mosq-thread-nodelay" : "mosq-nodelay"; } // the library default is Nagle on
    if (getenv("TLS")) ck(mosquitto_tls_set(m, getenv("TLS"), 0, 0, 0, 0)); // the file of trusted roots
    ck(mosquitto_connect(m, av[2], port, 600));
    if (threaded) { ck(mosquitto_loop_start(m)); sem_wait(&fin); } else while (!connected) ck(mosquitto_loop(m, 100, 1));
    int q = sc[3] - '0';
    if (!strncmp(sc, "pub", 3)) {
        bn_mark a;
        if (q == 0) {
            want = n + 1;
            if (threaded) {
                long lim = size > 100000 ? 16 : 1000; for (long i = 0; i < lim; i++) sem_post(&win);
                a = bn_take();
                for (long i = 0; i < n; i++) { sem_wait(&win); ck(mosquitto_publish(m, 0, "bench/topic", size, msg, 0, false)); }
                ck(mosquitto_publish(m, 0, "bench/topic", 1, msg, 1, false)); sem_wait(&fin);
            } else {
                a = bn_take();
                for (long i = 0; i < n; i++) {
                    ck(mosquitto_publish(m, 0, "bench/topic", size, msg, 0, false));
                    while (mosquitto_want_write(m)) ck(mosquitto_loop(m, 100, 1));
                }
                ck(mosquitto_publish(m, 0, "bench/topic", 1, msg, 1, false));
                while (acked < n + 1) ck(mosquitto_loop(m, 100, 1));
            }
        } else {
            want = n;
            if (threaded) {
                for (long i = 0; i < w; i++) sem_post(&win);
                a = bn_take();
                for (long i = 0; i < n; i++) { sem_wait(&win); ck(mosquitto_publish(m, 0, "bench/topic", size, msg, q, false)); }
                sem_wait(&fin);
            } else {
                a = bn_take(); long sent = 0;
                while (acked < n) {
                    while (sent < n && sent - acked < w) { ck(mosquitto_publish(m, 0, "bench/topic", size, msg, q, false)); sent++; }
                    ck(mosquitto_loop(m, 1000, 1));
                }
            }
        }
        bn_report(peer, sc, n, size, w, a);
    } else if (!strncmp(sc, "sub", 3)) {
        char t[128]; sprintf(t, "flood/%d/%ld/%ld/%ld", q, n, size, w < 2 ? 1000 : w); want = n;
        bn_mark a = bn_take(); ck(mosquitto_subscribe(m, 0, t, q));
        if (threaded) sem_wait(&fin); else while (got < n) ck(mosquitto_loop(m, 1000, 1));
        bn_report(peer, sc, n, size, w, a);
    } else if (!strcmp(sc, "rtt")) {
        double *v = malloc(n * sizeof *v); want = -1; bn_mark a = bn_take();
        for (long i = 0; i < n; i++) {
            double t = bn_now(); ck(mosquitto_publish(m, 0, "bench/topic", size, msg, 1, false));
            if (threaded) sem_wait(&win); else while (acked <= i) ck(mosquitto_loop(m, 1000, 1));
            v[i] = (bn_now() - t) * 1e6;
        }
        bn_rtt(peer, v, n, size, a);
    }
    _exit(0);
}
