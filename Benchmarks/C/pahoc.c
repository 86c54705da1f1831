// Driver for paho C 1.3.12, asynchronous API (MQTTAsync).
//   cc -O2 -o pahoc pahoc.c -lpaho-mqtt3a ;  ./pahoc SCENARIO HOST PORT COUNT SIZE [WINDOW]
#include "bench.h"
#include <MQTTAsync.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <stdatomic.h>
static _Atomic long acked, got; static sem_t win, fin; static long want; static const char *peer = "paho-c";
static void conn_ok(void *c, MQTTAsync_successData *r) { sem_post(&fin); }
static void fail(void *c, MQTTAsync_failureData *r) { fprintf(stderr, "failure %d %s acked=%ld\n", r ? r->code : 0, r && r->message ? r->message : "", acked); _exit(1); }
static void pub_ok(void *c, MQTTAsync_successData *r) { long k = ++acked; sem_post(&win); if (k == want) sem_post(&fin); }
static int arrived(void *c, char *t, int tl, MQTTAsync_message *x) { MQTTAsync_freeMessage(&x); MQTTAsync_free(t); if (++got == want) sem_post(&fin); return 1; }
static void lost(void *c, char *why) { fprintf(stderr, "lost %s acked=%ld got=%ld\n", why ? why : "", acked, got); _exit(1); }
static void ck(int rc, const char *w) { if (rc) { fprintf(stderr, "%s: %d\n", w, rc); _exit(1); } }
static MQTTAsync mk(const char *uri, const char *id, int pers, void *dir, long w) {
    MQTTAsync c; ck(MQTTAsync_create(&c, uri, id, pers, dir), "create");
    ck(MQTTAsync_setCallbacks(c, 0, lost, arrived, 0), "callbacks");
    MQTTAsync_connectOptions o = MQTTAsync_connectOptions_initializer; o.keepAliveInterval = 600; o.cleansession = 1; o.onSuccess = conn_ok; o.onFailure = fail; o.MQTTVersion = 4;
    if (w > 0) o.maxInflight = w < 20 ? 20 : w;
    ck(MQTTAsync_connect(c, &o), "connect"); if (w >= 0) sem_wait(&fin); return c;
}
int main(int ac, char **av) {
    const char *sc = av[1]; long n = atol(av[4]), size = atol(av[5]), w = ac > 6 ? atol(av[6]) : 1; char uri[128]; sprintf(uri, "tcp://%s:%s", av[2], av[3]);
    sem_init(&win, 0, 0); sem_init(&fin, 0, 0);
    if (!strcmp(sc, "idle")) {
        long r0 = bn_status("VmRSS:"); bn_mark a = bn_take();
        for (long i = 0; i < n; i++) { char id[32]; sprintf(id, "idle%ld", i); mk(uri, id, MQTTCLIENT_PERSISTENCE_NONE, 0, -1); /* a serial wait costs 2 s per client */ }
        for (long i = 0; i < n; i++) sem_wait(&fin);
        sleep(2); bn_idle(peer, n, r0, a); _exit(0);
    }
    int durable = !strcmp(sc, "pub1-durable"); char dir[64]; sprintf(dir, "./durable-%d", getpid()); if (durable) mkdir(dir, 0700);
    MQTTAsync c = mk(uri, "bench", durable ? MQTTCLIENT_PERSISTENCE_DEFAULT : MQTTCLIENT_PERSISTENCE_NONE, durable ? dir : 0, w);
    char *msg = malloc(size + 1); memset(msg, 'x', size);
    MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer; r.onSuccess = pub_ok; r.onFailure = fail;
    int q = sc[3] - '0';
    if (!strncmp(sc, "pub", 3)) {
        long lim = q ? w : size > 100000 ? 16 : 1000; for (long i = 0; i < lim; i++) sem_post(&win);
        want = q ? n : n + 1; bn_mark a = bn_take();
        for (long i = 0; i < n; i++) { sem_wait(&win); MQTTAsync_responseOptions x = r; ck(MQTTAsync_send(c, "bench/topic", size, msg, q, 0, &x), "send"); }
        if (!q) { MQTTAsync_responseOptions x = r; ck(MQTTAsync_send(c, "bench/topic", 1, msg, 1, 0, &x), "send"); }
        sem_wait(&fin); bn_report(peer, sc, n, size, w, a);
    } else if (!strncmp(sc, "sub", 3)) {
        char t[128]; sprintf(t, "flood/%d/%ld/%ld/%ld", q, n, size, w < 2 ? 1000 : w); want = n;
        bn_mark a = bn_take(); MQTTAsync_responseOptions x = MQTTAsync_responseOptions_initializer; x.onFailure = fail; ck(MQTTAsync_subscribe(c, t, q, &x), "subscribe"); sem_wait(&fin);
        bn_report(peer, sc, n, size, w, a);
    } else if (!strcmp(sc, "rtt")) {
        double *v = malloc(n * sizeof *v); want = -1; bn_mark a = bn_take();
        for (long i = 0; i < n; i++) { MQTTAsync_responseOptions x = r; double t = bn_now(); ck(MQTTAsync_send(c, "bench/topic", size, msg, 1, 0, &x), "send"); sem_wait(&win); v[i] = (bn_now() - t) * 1e6; }
        bn_rtt(peer, v, n, size, a);
    }
    if (durable) { char cmd[128]; sprintf(cmd, "rm -rf %s", dir); if (system(cmd)) {} }
    _exit(0);
}
