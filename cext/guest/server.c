/* The server: what is in it. */
#include "internal.h"

#include <stdlib.h>

mcp_server *mcp_new(const char *name, const char *version)
{
    mcp_server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->name = name;
    server->version = version;
    server->level = MCP_INFO;
    return server;
}

void mcp_free(mcp_server *server)
{
    if (!server)
        return;
    free(server->tools);
    free(server->resources);
    free(server->prompts);
    free(server);
}

void mcp_instructions(mcp_server *server, const char *text)
{
    server->instructions = text;
}

/* Room for one more; the new last one, or NULL. */
static void *grown(void **list, size_t *count, size_t size)
{
    void *more = realloc(*list, (*count + 1) * size);
    if (!more)
        return NULL;
    *list = more;
    return (char *)more + (*count)++ * size;
}

static bool is_object(const char *json)
{
    size_t position;
    if (!json)
        return true;
    while (*json == ' ' || (*json >= '\t' && *json <= '\r'))
        json++;
    return *json == '{' &&
           !mck_json_validate((const uint8_t *)json, strlen(json), MCK_JSON_DEFAULT_DEPTH, NULL, &position);
}

mcp_tool *tool_find(mcp_server *server, const char *name)
{
    for (size_t i = 0; i < server->tool_count; i++)
        if (strcmp(server->tools[i].name, name) == 0)
            return &server->tools[i];
    return NULL;
}

mcp_prompt *prompt_find(mcp_server *server, const char *name)
{
    for (size_t i = 0; i < server->prompt_count; i++)
        if (strcmp(server->prompts[i].name, name) == 0)
            return &server->prompts[i];
    return NULL;
}

mcp_resource *resource_find(mcp_server *server, const char *uri)
{
    for (size_t i = 0; i < server->resource_count; i++)
        if (strcmp(server->resources[i].uri, uri) == 0)
            return &server->resources[i];
    return NULL;
}

bool mcp_add_tool(mcp_server *server, const mcp_tool *tool)
{
    mcp_tool *slot = NULL;
    if (server && tool->name && tool->run && is_object(tool->input_schema) && is_object(tool->output_schema) &&
        is_object(tool->annotations) && !tool_find(server, tool->name))
        slot = grown((void **)&server->tools, &server->tool_count, sizeof *tool);
    if (slot)
        *slot = *tool;
    else if (server)
        server->broken = true;
    return slot != NULL;
}

bool mcp_add_resource(mcp_server *server, const mcp_resource *resource)
{
    mcp_resource *slot = NULL;
    if (server && resource->uri && resource->name && resource->read && !resource_find(server, resource->uri))
        slot = grown((void **)&server->resources, &server->resource_count, sizeof *resource);
    if (slot)
        *slot = *resource;
    else if (server)
        server->broken = true;
    return slot != NULL;
}

bool mcp_add_prompt(mcp_server *server, const mcp_prompt *prompt)
{
    mcp_prompt *slot = NULL;
    if (server && prompt->name && prompt->get && !prompt_find(server, prompt->name))
        slot = grown((void **)&server->prompts, &server->prompt_count, sizeof *prompt);
    if (slot)
        *slot = *prompt;
    else if (server)
        server->broken = true;
    return slot != NULL;
}
