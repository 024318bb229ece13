/* Method names. Comparing lengths first leaves at most a few candidates to look at. */
#include "mcpkit/rpc.h"

#include <string.h>

#define METHODS(X)                                                                                                     \
    X(MCK_RPC_M_INITIALIZE, "initialize")                                                                              \
    X(MCK_RPC_M_PING, "ping")                                                                                          \
    X(MCK_RPC_M_SERVER_DISCOVER, "server/discover")                                                                    \
    X(MCK_RPC_M_TOOLS_LIST, "tools/list")                                                                              \
    X(MCK_RPC_M_TOOLS_CALL, "tools/call")                                                                              \
    X(MCK_RPC_M_RESOURCES_LIST, "resources/list")                                                                      \
    X(MCK_RPC_M_RESOURCES_TEMPLATES_LIST, "resources/templates/list")                                                  \
    X(MCK_RPC_M_RESOURCES_READ, "resources/read")                                                                      \
    X(MCK_RPC_M_RESOURCES_SUBSCRIBE, "resources/subscribe")                                                            \
    X(MCK_RPC_M_RESOURCES_UNSUBSCRIBE, "resources/unsubscribe")                                                        \
    X(MCK_RPC_M_PROMPTS_LIST, "prompts/list")                                                                          \
    X(MCK_RPC_M_PROMPTS_GET, "prompts/get")                                                                            \
    X(MCK_RPC_M_COMPLETION_COMPLETE, "completion/complete")                                                            \
    X(MCK_RPC_M_LOGGING_SET_LEVEL, "logging/setLevel")                                                                 \
    X(MCK_RPC_M_SUBSCRIPTIONS_LISTEN, "subscriptions/listen")                                                          \
    X(MCK_RPC_M_TASKS_GET, "tasks/get")                                                                                \
    X(MCK_RPC_M_TASKS_RESULT, "tasks/result")                                                                          \
    X(MCK_RPC_M_TASKS_LIST, "tasks/list")                                                                              \
    X(MCK_RPC_M_TASKS_CANCEL, "tasks/cancel")                                                                          \
    X(MCK_RPC_M_TASKS_UPDATE, "tasks/update")                                                                          \
    X(MCK_RPC_M_N_INITIALIZED, "notifications/initialized")                                                            \
    X(MCK_RPC_M_N_CANCELLED, "notifications/cancelled")                                                                \
    X(MCK_RPC_M_N_PROGRESS, "notifications/progress")                                                                  \
    X(MCK_RPC_M_N_ROOTS_LIST_CHANGED, "notifications/roots/list_changed")

typedef struct {
    const char *name;
    size_t len;
} entry;

static const entry names[MCK_RPC_M_COUNT] = {
#define X(method, text) [method] = {text, sizeof(text) - 1},
    METHODS(X)
#undef X
};

const char *mck_rpc_method_name(mck_rpc_method method)
{
    return (unsigned)method < MCK_RPC_M_COUNT ? names[method].name : NULL;
}

mck_rpc_method mck_rpc_method_from(const uint8_t *name, size_t len)
{
    /* What nearly every message is. */
    if (len == 10 && memcmp(name, "tools/call", 10) == 0) {
        return MCK_RPC_M_TOOLS_CALL;
    }
    for (unsigned m = 1; m < MCK_RPC_M_COUNT; m++) {
        if (names[m].len == len && memcmp(name, names[m].name, len) == 0) {
            return (mck_rpc_method)m;
        }
    }
    return MCK_RPC_M_UNKNOWN;
}
