/* Ten million bytes of answer: one JSON string. */
#include <stdio.h>
#include <string.h>

int main(void)
{
    static char block[10000];
    memset(block, 'x', sizeof block);
    putchar('"');
    for (int i = 0; i < 1000; i++) {
        if (fwrite(block, 1, sizeof block, stdout) != sizeof block)
            return 1;
    }
    puts("\"");
    return 0;
}
