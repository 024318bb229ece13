/* Explains itself on stderr and ends with status 7, after a complete answer that must not count. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    puts("{\"answer\": 42}");
    fputs("seven, as always\n", stderr);
    exit(7);
}
