/* Says what it was told of clocks and chance, and does more work the more it was told. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    unsigned char bytes[16];
    struct timespec now, later;
    clock_gettime(CLOCK_REALTIME, &now);
    if (getentropy(bytes, sizeof bytes) != 0)
        return 1;
    struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_MONOTONIC, &later);
    volatile uint64_t work = 0;
    for (unsigned i = 0; i < 1000u * bytes[0]; i++)
        work += i;
    printf("{\"now\": %lld.%09ld, \"later\": %lld.%09ld, \"bytes\": [", (long long)now.tv_sec, now.tv_nsec,
           (long long)later.tv_sec, later.tv_nsec);
    for (size_t i = 0; i < sizeof bytes; i++)
        printf("%s%u", i ? ", " : "", bytes[i]);
    printf("]}\n");
    return 0;
}
