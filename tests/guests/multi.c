/* Several tools in one program: says how it was called. With the tool "fail" it says no. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    static char data[65536];
    size_t length = fread(data, 1, sizeof data, stdin);
    const char *name = getenv("MCPKIT_TOOL");
    if (argc > 1 && strcmp(argv[1], "fail") == 0) {
        printf("{\"error\": \"told to fail\"}\n");
        return 0;
    }
    printf("{\"argument\": \"%s\", \"environment\": \"%s\", \"received\": %.*s}\n", argc > 1 ? argv[1] : "",
           name != NULL ? name : "", (int)length, data);
    return 0;
}
