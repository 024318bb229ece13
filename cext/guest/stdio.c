/* One message per line over stdin and stdout. */
#include "internal.h"

#include <stdio.h>
#include <unistd.h>

#define MAX_LINE ((size_t)16 << 20)
#define READ_SIZE ((size_t)64 << 10)

/* False is remembered: nobody reads stdout any more. */
static void send_line(void *to, const uint8_t *message, size_t len)
{
    bool *gone = to;
    if (*gone)
        return;
    *gone = fwrite(message, 1, len, stdout) != len || putchar('\n') == EOF || fflush(stdout) != 0;
}

int mcp_serve(mcp_server *server)
{
    if (!server || server->broken) {
        fputs("cannot serve: a tool, resource or prompt could not be added (something needed is missing, a schema is "
              "no JSON "
              "object, a name is taken, or memory ran out)\n",
              stderr);
        return 1;
    }
    mck_rpc_lines lines;
    mck_rpc_lines_init(&lines, MAX_LINE);
    bool eof = false, gone = false;
    while (!gone) {
        const uint8_t *line;
        size_t len;
        switch (mck_rpc_lines_next(&lines, eof, &line, &len)) {
        case MCK_RPC_LINE: mcp_answer(server, line, len, send_line, &gone); continue;
        case MCK_RPC_LINE_TOO_LONG: {
            static const char refusal[] =
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"Invalid "
                "request: longer than 16 MiB\"}}";
            send_line(&gone, (const uint8_t *)refusal, sizeof refusal - 1);
            continue;
        }
        case MCK_RPC_LINE_NO_MEMORY: gone = true; continue;
        case MCK_RPC_LINE_MORE: break;
        }
        if (eof)
            break;
        uint8_t *room = mck_rpc_lines_reserve(&lines, READ_SIZE);
        ssize_t n = room ? read(STDIN_FILENO, room, READ_SIZE) : -1;
        if (n > 0)
            mck_rpc_lines_wrote(&lines, (size_t)n);
        else
            eof = true;
    }
    mck_rpc_lines_free(&lines);
    mcp_free(server);
    return gone;
}
