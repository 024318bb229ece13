/* Talks like a program for people. */
#include <stdio.h>

int main(void)
{
    puts("Hello, this is not JSON.");
    return 0;
}
