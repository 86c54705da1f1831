// files: what a client does that keeps each message in a file of its own, as the Go package mqtt and others do: written whole
// to a spool file, synced, renamed; removed when PUBACK came. NODIR=1 leaves out the sync of the directory, as they do.
//   cc -O2 -o files files.c ;  ./files pub1-durable HOST PORT COUNT SIZE [WINDOW]
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
static const char *TOPIC = "bench/topic";
static void die(const char *what) { perror(what); exit(1); }
static void put(int fd, const void *p, size_t n) { while (n) { ssize_t k = write(fd, p, n); if (k < 0) die("write"); p = (char *)p + k; n -= k; } }
int main(int ac, char **av) {
    if (ac < 6 || strcmp(av[1], "pub1-durable")) { fprintf(stderr, "files pub1-durable HOST PORT COUNT SIZE [WINDOW]\n"); return 2; }
    long n = atol(av[4]), size = atol(av[5]), window = ac > 6 ? atol(av[6]) : 1;
    if (window > 60000) window = 60000;
    const char *dir = getenv("STORE") ? getenv("STORE") : "files-store"; int one = 1, nodir = getenv("NODIR") != 0;
    mkdir(dir, 0700); int dirfd = open(dir, O_RDONLY | O_DIRECTORY); if (dirfd < 0) die(dir);
    int fd = socket(AF_INET, SOCK_STREAM, 0); setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(av[3]))}; inet_pton(AF_INET, av[2], &a.sin_addr);
    if (connect(fd, (void *)&a, sizeof a)) die("connect");
    const uint8_t c[] = {0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 5, 'b', 'e', 'n', 'c', 'h'}; uint8_t r[4];
    put(fd, c, sizeof c); if (recv(fd, r, 4, MSG_WAITALL) != 4 || r[3]) { fprintf(stderr, "no connack\n"); return 1; }
    size_t tn = strlen(TOPIC), pn = 0; uint8_t *p = malloc(size + 64); uint32_t rem = 4 + tn + size;
    p[pn++] = 0x32; do { uint8_t x = rem & 127; rem >>= 7; p[pn++] = x | (rem ? 128 : 0); } while (rem);
    p[pn++] = tn >> 8; p[pn++] = tn; memcpy(p + pn, TOPIC, tn); pn += tn; size_t id = pn; pn += 2; memset(p + pn, 'x', size); pn += size;
    uint8_t buffer[1 << 16]; size_t have = 0; long sent = 0, acked = 0; char spool[64], name[64]; bn_mark start = bn_take();
    while (acked < n) {
        while (sent < n && sent - acked < window) {
            uint16_t number = sent % 60000 + 1; p[id] = number >> 8; p[id + 1] = number;
            sprintf(spool, "spool-%u", number); sprintf(name, "%05u", number);
            int file = openat(dirfd, spool, O_CREAT | O_TRUNC | O_WRONLY, 0600); if (file < 0) die(spool);
            put(file, p, pn); if (fsync(file)) die("fsync"); close(file);
            if (renameat(dirfd, spool, dirfd, name)) die("rename");
            if (!nodir && fsync(dirfd)) die("fsync of the directory");
            put(fd, p, pn); sent++;
            ssize_t got = recv(fd, buffer + have, sizeof buffer - have, MSG_DONTWAIT); if (got > 0) have += got;
            if (have >= 4) break;
        }
        if (have < 4) { ssize_t got = recv(fd, buffer + have, sizeof buffer - have, 0); if (got <= 0) die("recv"); have += got; }
        size_t i = 0;
        for (; i + 4 <= have; i += 4) {
            if (buffer[i] != 0x40) continue;
            sprintf(name, "%05u", buffer[i + 2] << 8 | buffer[i + 3]); unlinkat(dirfd, name, 0); acked++;
        }
        memmove(buffer, buffer + i, have - i); have -= i;
    }
    bn_report(nodir ? "files-nodir" : "files", av[1], n, size, window, start);
    close(dirfd); rmdir(dir); return 0;
}
