/* A POSIX process as a board: its line is a TCP port of this machine, its flash a file.
 *
 *     firmware.elf FLASH_FILE [PORT]
 *
 * EQ_FLASH=h7 in the environment divides the file as that part's flash (parts.c), whose erases take the time that its data
 * sheet says, by a clock that then goes SPEED times as fast; what arrives meanwhile is lost, as on a core that stands still.
 * EQ_WATCHDOG_MS ends the process like a watchdog would the board, which then starts anew.
 * EQ_TRIGGER names a file for the edges of the trigger pin: a line for each, its level and the nanoseconds of the clock.
 *
 * The address is printed; 0 or no port means any. One connection is served at a time, and as with a real line a
 * restart does not end it. A missing file is made and erased.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "eq_port.h"
#include "memory_flash.h"
#include "parts.h"
#include "ring.h"

#define FLASH_BYTES (16u << 20)
#define ARENA_BYTES (4u << 20)
#define MESSAGE_BYTES 4096u
#define TICKS_HZ 100000000u
#define SPEED 20u    /* while the core stands still */
#define WAIT_MS 500  /* so that a trial's time is counted, and the watchdog is fed */

struct host {
    int server, client; /* sockets; client -1 while nobody is connected */
    char **argv;        /* to start anew with */
};

static struct host host = {-1, -1, NULL};
static struct eq_ring ring; /* what had arrived when the core stood still */
static uint64_t skipped_ns; /* of time that passed while it did */

static void hang_up(void)
{
    close(host.client);
    host.client = -1;
}

static void answer_call(void)
{
    int on = 1;
    host.client = accept(host.server, NULL, NULL);
    if (host.client >= 0) {
        (void)setsockopt(host.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

void eq_port_wait(void)
{
    struct pollfd line = {host.client < 0 ? host.server : host.client, POLLIN, 0};
    if (eq_ring_is_empty(&ring) && poll(&line, 1, WAIT_MS) > 0 && host.client < 0) {
        answer_call();
    }
}

static size_t read_line(void *context, uint8_t *data, size_t size)
{
    ssize_t count;
    if (!eq_ring_is_empty(&ring)) {
        return eq_ring_get(&ring, data, size);
    }
    count = host.client < 0 || size == 0 ? 0 : recv(host.client, data, size, MSG_DONTWAIT);
    (void)context;
    if (count == 0 && host.client >= 0 && size > 0) {
        hang_up();
    }
    return count < 0 ? 0 : (size_t)count;
}

static void write_line(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    while (size > 0 && host.client >= 0) {
        ssize_t count = send(host.client, data, size, MSG_NOSIGNAL);
        if (count < 0) {
            hang_up();
        } else {
            data += count;
            size -= (size_t)count;
        }
    }
}

/* The core stands still, and with it the interrupt that would take what arrives. */
static void stall(uint32_t ms)
{
    uint64_t ns = (uint64_t)ms * 1000000u, real = ns / SPEED;
    struct timespec nap = {(time_t)(real / 1000000000u), (long)(real % 1000000000u)};
    uint8_t byte;
    while (host.client >= 0 && !eq_ring_is_full(&ring) && recv(host.client, &byte, 1, MSG_DONTWAIT) == 1) {
        eq_ring_put(&ring, byte);
    }
    (void)nanosleep(&nap, NULL);
    skipped_ns += ns - real;
    while (host.client >= 0 && recv(host.client, &byte, 1, MSG_DONTWAIT) == 1) {
    }
}

static uint32_t ticks(void *context)
{
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * TICKS_HZ +
                      ((uint64_t)now.tv_nsec + skipped_ns) / (1000000000u / TICKS_HZ));
}

static void reset(void *context)
{
    char server[12], client[12];
    char *again[] = {host.argv[0], host.argv[1], "", server, client, NULL};
    (void)context;
    (void)snprintf(server, sizeof server, "%d", host.server);
    (void)snprintf(client, sizeof client, "%d", host.client);
    (void)execv("/proc/self/exe", again);
    _exit(1);
}

/* Where nothing feeds it the process starts anew, as a board does. */
static void bite(int signal)
{
    (void)signal;
    reset(NULL);
}

static void watchdog(void *context, enum eq_watchdog what)
{
    static struct itimerval period;
    const char *ms = getenv("EQ_WATCHDOG_MS");
    (void)context;
    if (ms == NULL) {
        return;
    }
    if (what == EQ_WATCHDOG_START) {
        struct sigaction action = {.sa_handler = bite, .sa_flags = SA_NODEFER};
        sigset_t all;
        (void)sigemptyset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL); /* a process that was started by the handler has it blocked */
        (void)sigaction(SIGALRM, &action, NULL);
        period.it_value.tv_sec = atoi(ms) / 1000;
        period.it_value.tv_usec = atoi(ms) % 1000 * 1000;
    }
    (void)setitimer(ITIMER_REAL, &period, NULL);
}

static int trigger_file = -1;

static void trigger(void *context, int high)
{
    static int level;
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (high != level) {
        (void)dprintf(trigger_file, "%d %lld\n", high, (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    level = high;
}

static int open_trigger(const char *path)
{
    trigger_file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return trigger_file >= 0;
}

static uint8_t *map_flash(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat found;
    void *memory;
    if (file < 0 || fstat(file, &found) != 0 || ftruncate(file, FLASH_BYTES) != 0) {
        return NULL;
    }
    memory = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (found.st_size != (off_t)FLASH_BYTES) {
        memset(memory, 0xff, FLASH_BYTES);
    }
    return memory;
}

static int listen_at(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    socklen_t bytes = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    host.server = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(host.server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(host.server, (struct sockaddr *)&address, bytes) != 0 || listen(host.server, 4) != 0 ||
        getsockname(host.server, (struct sockaddr *)&address, &bytes) != 0) {
        return -1;
    }
    (void)printf("tcp://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    return fflush(stdout);
}

/* The sockets of the process that restarted, or a new one. */
static int open_line(int argc, char **argv)
{
    if (argc == 5) {
        host.server = atoi(argv[3]);
        host.client = atoi(argv[4]);
        return 0;
    }
    return listen_at(argc > 2 ? argv[2] : "0");
}

static const struct eq_board board = {
    .target = EQ_TARGET,
    .board = "process",
    .arch = EQ_ARCH,
    .cpu = EQ_ARCH,
    .ram_bytes = ARENA_BYTES,
};

const struct eq_config *eq_port_start(int argc, char **argv)
{
    static uint8_t arena[ARENA_BYTES] __attribute__((aligned(EQ_ALIGN)));
    static uint8_t buffer[EQ_CORE_BUFFER(MESSAGE_BYTES)];
    static struct eq_flash flash;
    static struct eq_config config;
    const char *part = getenv("EQ_FLASH");
    uint8_t *memory = argc > 1 ? map_flash(argv[1]) : NULL;
    host.argv = argv;
    if (memory == NULL || open_line(argc, argv) != 0) {
        perror(argc > 1 ? argv[1] : "FLASH_FILE [PORT]");
        return NULL;
    }
    if (part == NULL) {
        eq_memory_flash(&flash, memory, FLASH_BYTES);
    } else if (eq_part_flash(&flash, part, memory, FLASH_BYTES, stall) != 0) {
        return NULL;
    }
    config = (struct eq_config){
        .read = read_line,
        .write = write_line,
        .ticks = ticks,
        .ticks_hz = TICKS_HZ,
        .reset = reset,
        .watchdog = watchdog,
        .flash = &flash,
        .board = &board,
        .arena = arena,
        .arena_bytes = sizeof arena,
        .buffer = buffer,
        .buffer_bytes = sizeof buffer,
        .buf_count = 8,
        .trigger = open_trigger(getenv("EQ_TRIGGER")) ? trigger : NULL,
    };
    return &config;
}
