// raw: the physical limit. No library, pre-encoded packets, 64 KiB writes, recv+parse.
//   cc -O2 -o raw raw.c ;  ./raw SCENARIO HOST PORT COUNT SIZE [WINDOW]
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/epoll.h>
static const char *TOPIC = "bench/topic";
static int dial(const char *h, int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)}; inet_pton(AF_INET, h, &a.sin_addr);
    if (connect(fd, (void *)&a, sizeof a)) { perror("connect"); exit(1); }
    if (!getenv("NAGLE")) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const uint8_t c[] = {0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 5, 'b', 'e', 'n', 'c', 'h'}; uint8_t r[4];
    if (write(fd, c, sizeof c) != sizeof c || recv(fd, r, 4, MSG_WAITALL) != 4 || r[3]) { fprintf(stderr, "no connack\n"); exit(1); }
    return fd;
}
static void wall(int fd, const void *p, size_t n) { while (n) { ssize_t k = write(fd, p, n); if (k < 0) { perror("write"); exit(1); } p = (char *)p + k; n -= k; } }
static size_t enc(uint8_t *b, int q, uint16_t id, long size, size_t *idoff) {
    uint8_t *p = b; size_t tn = strlen(TOPIC); uint32_t rem = 2 + tn + (q ? 2 : 0) + size;
    *p++ = 0x30 | q << 1; do { uint8_t x = rem & 127; rem >>= 7; *p++ = x | (rem ? 128 : 0); } while (rem);
    *p++ = tn >> 8; *p++ = tn; memcpy(p, TOPIC, tn); p += tn;
    if (q) { if (idoff) *idoff = p - b; *p++ = id >> 8; *p++ = id; }
    memset(p, 'x', size); return p + size - b;
}
int main(int ac, char **av) {
    const char *sc = av[1]; int port = atoi(av[3]); long n = atol(av[4]), size = atol(av[5]), w = ac > 6 ? atol(av[6]) : 1;
    if (!strcmp(sc, "pub0")) {
        int fd = dial(av[2], port); uint8_t *one = malloc(size + 64), mk[64]; size_t pn = enc(one, 0, 0, size, 0), mn = enc(mk, 1, 7, 2, 0);
        long wblk = getenv("WBLK") ? atol(getenv("WBLK")) : 65536; /* WBLK: bytes per write() */
        long per = wblk / pn; if (!per) per = 1; uint8_t *blk = malloc(per * pn); for (long i = 0; i < per; i++) memcpy(blk + i * pn, one, pn);
        bn_mark a = bn_take();
        for (long i = 0; i < n;) { long k = n - i < per ? n - i : per; wall(fd, blk, k * pn); i += k; }
        wall(fd, mk, mn); uint8_t r[4]; if (recv(fd, r, 4, MSG_WAITALL) != 4) return 1;
        bn_report("raw", sc, n, size, w, a); return 0;
    }
    if (!strcmp(sc, "pub0each")) { // one write per message: what a naive library can reach
        int fd = dial(av[2], port); uint8_t *one = malloc(size + 64), mk[64]; size_t pn = enc(one, 0, 0, size, 0), mn = enc(mk, 1, 7, 2, 0);
        bn_mark a = bn_take();
        for (long i = 0; i < n; i++) wall(fd, one, pn);
        wall(fd, mk, mn); uint8_t r[4]; if (recv(fd, r, 4, MSG_WAITALL) != 4) return 1;
        bn_report("raw", sc, n, size, w, a); return 0;
    }
    if (!strcmp(sc, "pub1") || !strcmp(sc, "pub2") || !strcmp(sc, "pub1-durable")) {
        // durable: one append + fdatasync per batch of acceptable window room (group commit); window 1 = one fsync each
        int q = sc[3] - '0', durable = strlen(sc) > 4, fd = dial(av[2], port), log = -1; size_t idoff = 0;
        if (durable) { log = open("raw-durable.log", O_CREAT | O_TRUNC | O_WRONLY, 0600); }
        uint8_t *one = malloc(size + 64); size_t pn = enc(one, q, 0, size, &idoff); long per = 65536 / pn; if (!per) per = 1;
        uint8_t *blk = malloc(per * pn), *rb = malloc(1 << 18), *ob = malloc(1 << 18); for (long i = 0; i < per; i++) memcpy(blk + i * pn, one, pn);
        size_t have = 0; long sent = 0, acked = 0; uint16_t id = 0; bn_mark a = bn_take();
        while (acked < n) {
            long room = w - (sent - acked); if (room > n - sent) room = n - sent;
            while (room > 0) {
                long k = room < per ? room : per;
                for (long i = 0; i < k; i++) { if (!++id) id = 1; blk[i * pn + idoff] = id >> 8; blk[i * pn + idoff + 1] = id; }
                if (durable) { wall(log, blk, k * pn); fdatasync(log); }
                wall(fd, blk, k * pn); sent += k; room -= k;
            }
            ssize_t g = read(fd, rb + have, (1 << 18) - have); if (g <= 0) return 1; have += g; size_t i = 0, on = 0;
            for (; i + 4 <= have; i += 4) {
                if (rb[i] == 0x40 || rb[i] == 0x70) acked++;
                else if (rb[i] == 0x50) { ob[on++] = 0x62; ob[on++] = 2; ob[on++] = rb[i + 2]; ob[on++] = rb[i + 3]; }
            }
            memmove(rb, rb + i, have - i); have -= i; if (on) wall(fd, ob, on);
        }
        bn_report("raw", sc, n, size, w, a); if (log >= 0) unlink("raw-durable.log"); return 0;
    }
    if (!strcmp(sc, "sub0") || !strcmp(sc, "sub1") || !strcmp(sc, "sub2")) {
        int q = sc[3] - '0', fd = dial(av[2], port); char t[128]; int tn = sprintf(t, "flood/%d/%ld/%ld/%ld", q, n, size, w < 2 ? 1000 : w);
        uint8_t s[160] = {0x82, tn + 5, 0, 1, 0, tn}; memcpy(s + 6, t, tn); s[6 + tn] = q;
        size_t cap = getenv("BUF") ? atol(getenv("BUF")) : 1 << 18; /* BUF: receive buffer */ if (cap < (size_t)size * 2 + 1024) cap = size * 2 + 1024; uint8_t *rb = malloc(cap), *ob = malloc(1 << 18); size_t have = 0; long got = 0, sum = 0;
        bn_mark a = bn_take(); wall(fd, s, tn + 7); int rel = 0; long rels = 0;
        while (got < n || (q == 2 && rels < n)) {
            ssize_t g = read(fd, rb + have, cap - have); if (g <= 0) { fprintf(stderr, "lost after %ld\n", got); return 1; } have += g;
            size_t i = 0, on = 0;
            for (;;) {
                if (have - i < 2) break;
                size_t j = i + 1; uint32_t rem = 0; int sh = 0, ok = 0;
                while (j < have) { uint8_t x = rb[j++]; rem |= (x & 127) << sh; sh += 7; if (!(x & 128)) { ok = 1; break; } }
                if (!ok || have - j < rem) break;
                if (rb[i] >> 4 == 3) { size_t l = rb[j] << 8 | rb[j + 1]; sum += rem - l;
                    got++;
                    if (q) { ob[on++] = q == 1 ? 0x40 : 0x50; ob[on++] = 2; ob[on++] = rb[j + 2 + l]; ob[on++] = rb[j + 3 + l]; } }
                else if (rb[i] >> 4 == 6) { rels++; ob[on++] = 0x70; ob[on++] = 2; ob[on++] = rb[j]; ob[on++] = rb[j + 1]; }
                i = j + rem;
            }
            memmove(rb, rb + i, have - i); have -= i; if (on) wall(fd, ob, on);
        }
        (void)rel; bn_report("raw", sc, n, size, w, a); return 0;
    }
    if (!strcmp(sc, "rtt") || !strcmp(sc, "rttspin")) { /* rttspin: MSG_DONTWAIT until the answer is there */
        int spin = sc[3] == 's';
        int fd = dial(av[2], port); uint8_t *one = malloc(size + 64); size_t idoff = 0, pn = enc(one, 1, 0, size, &idoff); double *v = malloc(n * sizeof *v);
        bn_mark a = bn_take();
        for (long i = 0; i < n; i++) { one[idoff] = i >> 8 & 127; one[idoff + 1] = i | 1; uint8_t r[4]; double t = bn_now(); wall(fd, one, pn); if (spin) while (recv(fd, r, 4, MSG_DONTWAIT) < 0); else if (recv(fd, r, 4, MSG_WAITALL) != 4) return 1; v[i] = (bn_now() - t) * 1e6; }
        bn_rtt(spin ? "raw-spin" : "raw", v, n, size, a); return 0;
    }
    if (!strcmp(sc, "idle")) {
        long r0 = bn_status("VmRSS:"); bn_mark a = bn_take(); int ep = epoll_create1(0);
        for (long i = 0; i < n; i++) { int fd = dial(av[2], port); struct epoll_event e = {.events = EPOLLIN, .data.fd = fd}; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e); }
        sleep(2); bn_idle("raw", n, r0, a); return 0;
    }
    return 2;
}
