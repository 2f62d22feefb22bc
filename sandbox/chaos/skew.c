/* The process's wall clock is SKEW_SECONDS (may be negative, may have a fraction) from the machine's; other clocks are as they are. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long SECOND = 1000000000L;
static long long skew;

__attribute__((constructor)) static void set(void) {
    const char *given = getenv("SKEW_SECONDS");
    skew = given ? (long long)(strtod(given, NULL) * SECOND) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (failed == 0 && clock == CLOCK_REALTIME) {
        long long moment = (long long)at->tv_sec * SECOND + at->tv_nsec + skew;
        at->tv_sec = moment / SECOND;
        at->tv_nsec = moment % SECOND;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
