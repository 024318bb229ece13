/* A command that says what its environment is. */
#include <stdio.h>

extern char **environ;

int main(void)
{
    printf("[");
    for (char **one = environ; *one; one++)
        printf("%s\"%s\"", one == environ ? "" : ", ", *one);
    printf("]\n");
    return 0;
}
