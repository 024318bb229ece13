/* Says something on stderr, takes its time, says something more, and succeeds. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct timespec pause = {.tv_nsec = 300 * 1000 * 1000};
    fputs("first line\n", stderr);
    nanosleep(&pause, NULL);
    fputs("second line\n", stderr);
    puts("{\"done\": true}");
    return 0;
}
