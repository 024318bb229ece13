/* Gives back what it is given. */
#include <stdio.h>

int main(void)
{
    static char data[65536];
    size_t length;
    while ((length = fread(data, 1, sizeof data, stdin)) > 0)
        fwrite(data, 1, length, stdout);
    return 0;
}
