/* Preloaded into a server: a wall clock that can be set, and a disk that is slow to sync. Both from a mapped file, so
   that a test changes them while the process runs: int64 nanoseconds to add to CLOCK_REALTIME, int64 microseconds
   that each fsync, fdatasync takes longer. Other clocks are left alone, as the kernel leaves them when time is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *setting;
static int64_t none[2];

__attribute__((constructor)) static void map(void) {
    const char *path = getenv("TRACKPUSH_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    setting = found == MAP_FAILED ? none : found;
    if (file >= 0) close(file);
}

static void add(struct timespec *moment) {
    int64_t sum = moment->tv_nsec + (setting ? setting[0] : 0);
    int64_t seconds = sum / 1000000000, rest = sum % 1000000000;
    if (rest < 0) { rest += 1000000000; seconds -= 1; }
    moment->tv_sec += seconds;
    moment->tv_nsec = rest;
}

int clock_gettime(clockid_t which, struct timespec *moment) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(which, moment);
    if (!result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) add(moment);
    return result;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *moment) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (moment) *moment = now.tv_sec;
    return now.tv_sec;
}

static int slowly(const char *name, int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    int64_t wait = setting ? setting[1] : 0;
    struct timespec left = {wait / 1000000, wait % 1000000 * 1000};
    while (wait > 0 && nanosleep(&left, &left)) {} /* a signal ends a sleep early: the database sends itself many */
    return real(file);
}

int fsync(int file) { return slowly("fsync", file); }
int fdatasync(int file) { return slowly("fdatasync", file); }
