/* Lists of what a server has, and what it says of itself. */
#include "internal.h"

static void next(mck_buffer *out, size_t i)
{
    if (i)
        ADD(out, ",");
}

void list_tools(mcp_server *server, bool modern, mck_buffer *out)
{
    static const char any[] = "{\"type\":\"object\"}";
    ADD(out, "\"tools\":[");
    for (size_t i = 0; i < server->tool_count; i++) {
        const mcp_tool *tool = &server->tools[i];
        next(out, i);
        ADD(out, "{\"name\":");
        write_text(out, tool->name, strlen(tool->name));
        write_member(out, ",\"title\":", tool->title);
        write_member(out, ",\"description\":", tool->description);
        ADD(out, ",\"inputSchema\":");
        mck_buffer_text(out, tool->input_schema ? tool->input_schema : any);
        if (tool->output_schema && (modern || strcmp(server->revision, STRUCTURED_SINCE) >= 0)) {
            ADD(out, ",\"outputSchema\":");
            mck_buffer_text(out, tool->output_schema);
        }
        if (tool->annotations) {
            ADD(out, ",\"annotations\":");
            mck_buffer_text(out, tool->annotations);
        }
        ADD(out, "}");
    }
    ADD(out, "]");
}

static void list_some(mcp_server *server, bool templates, const char *uri_member, mck_buffer *out)
{
    size_t n = 0;
    for (size_t i = 0; i < server->resource_count; i++) {
        const mcp_resource *resource = &server->resources[i];
        if (is_template(resource->uri) != templates)
            continue;
        next(out, n++);
        ADD(out, "{\"name\":");
        write_text(out, resource->name, strlen(resource->name));
        write_member(out, uri_member, resource->uri);
        write_member(out, ",\"title\":", resource->title);
        write_member(out, ",\"description\":", resource->description);
        write_member(out, ",\"mimeType\":", resource->mime_type);
        ADD(out, "}");
    }
    ADD(out, "]");
}

void list_resources(mcp_server *server, bool modern, mck_buffer *out)
{
    (void)modern;
    ADD(out, "\"resources\":[");
    list_some(server, false, ",\"uri\":", out);
}

void list_templates(mcp_server *server, bool modern, mck_buffer *out)
{
    (void)modern;
    ADD(out, "\"resourceTemplates\":[");
    list_some(server, true, ",\"uriTemplate\":", out);
}

void list_prompts(mcp_server *server, bool modern, mck_buffer *out)
{
    (void)modern;
    ADD(out, "\"prompts\":[");
    for (size_t i = 0; i < server->prompt_count; i++) {
        const mcp_prompt *prompt = &server->prompts[i];
        next(out, i);
        ADD(out, "{\"name\":");
        write_text(out, prompt->name, strlen(prompt->name));
        write_member(out, ",\"title\":", prompt->title);
        write_member(out, ",\"description\":", prompt->description);
        if (prompt->arguments) {
            ADD(out, ",\"arguments\":[");
            for (const mcp_prompt_argument *a = prompt->arguments; a->name; a++) {
                next(out, (size_t)(a - prompt->arguments));
                ADD(out, "{\"name\":");
                write_text(out, a->name, strlen(a->name));
                write_member(out, ",\"description\":", a->description);
                mck_buffer_text(out, a->required ? ",\"required\":true}" : "}");
            }
            ADD(out, "]");
        }
        ADD(out, "}");
    }
    ADD(out, "]");
}

void write_identity(mcp_server *server, mck_buffer *out)
{
    ADD(out, "{");
    write_member(out, "\"name\":", server->name);
    write_member(out, ",\"version\":", server->version);
    ADD(out, "}");
}

void write_capabilities(mcp_server *server, mck_buffer *out)
{
    ADD(out, "\"capabilities\":{\"logging\":{}");
    if (server->tool_count)
        ADD(out, ",\"tools\":{}");
    if (server->resource_count)
        ADD(out, ",\"resources\":{}");
    if (server->prompt_count)
        ADD(out, ",\"prompts\":{}");
    ADD(out, "}");
    write_member(out, ",\"instructions\":", server->instructions);
}
