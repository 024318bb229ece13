/* The floor for stdio: every line that comes in goes out again, as many as one read brought. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char buffer[1 << 16];
    size_t have = 0;
    for (;;) {
        ssize_t got = read(0, buffer + have, sizeof buffer - have);
        if (got <= 0)
            return 0;
        have += (size_t)got;
        size_t whole = have;
        while (whole > 0 && buffer[whole - 1] != '\n')
            whole--;
        if (whole == 0 && have == sizeof buffer)
            return 1;
        for (size_t sent = 0; sent < whole;) {
            ssize_t n = write(1, buffer + sent, whole - sent);
            if (n < 0)
                return 1;
            sent += (size_t)n;
        }
        have -= whole;
        memmove(buffer, buffer + whole, have);
    }
}
