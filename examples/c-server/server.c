/* A whole MCP server in C: tools, resources and a prompt. One source, for a sandbox and for the machine itself. */
#include <mcpkit/guest.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void convert(mcp_request *r, void *data)
{
    (void)data;
    double value;
    mcp_string from, to;
    if (!mcp_need_number(r, "value", &value) || !mcp_need_text(r, "from", &from) || !mcp_need_text(r, "to", &to))
        return;
    double celsius;
    if (strcmp(from.data, "celsius") == 0)
        celsius = value;
    else if (strcmp(from.data, "fahrenheit") == 0)
        celsius = (value - 32) / 1.8;
    else if (strcmp(from.data, "kelvin") == 0)
        celsius = value - 273.15;
    else {
        mcp_fail(r, "'from' must be celsius, fahrenheit or kelvin");
        return;
    }
    if (celsius < -273.15) {
        mcp_fail(r, "nothing is colder than 0 kelvin");
        return;
    }
    double result;
    if (strcmp(to.data, "celsius") == 0)
        result = celsius;
    else if (strcmp(to.data, "fahrenheit") == 0)
        result = celsius * 1.8 + 32;
    else if (strcmp(to.data, "kelvin") == 0)
        result = celsius + 273.15;
    else {
        mcp_fail(r, "'to' must be celsius, fahrenheit or kelvin");
        return;
    }
    char json[64];
    int len = snprintf(json, sizeof json, "{\"value\":%.10g}", result);
    mcp_sayf(r, "%.10g", result);
    mcp_structured(r, json, (size_t)len);
}

static void shout(mcp_request *r, void *data)
{
    (void)data;
    mcp_string text;
    if (!mcp_need_text(r, "text", &text))
        return;
    char *loud = malloc(text.len + 1);
    if (!loud) {
        mcp_fail(r, "the text does not fit into memory");
        return;
    }
    for (size_t i = 0; i <= text.len; i++)
        loud[i] = text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 32 : text.data[i];
    mcp_say(r, loud, text.len);
    free(loud);
}

/* Steps that take a while: what is said of them arrives while they run. */
static void count(mcp_request *r, void *data)
{
    (void)data;
    int64_t steps;
    if (!mcp_need_integer(r, "steps", &steps))
        return;
    if (steps < 1 || steps > 1000) {
        mcp_fail(r, "'steps' must be from 1 to 1000");
        return;
    }
    for (int64_t i = 1; i <= steps; i++) {
        mcp_progress(r, (double)i, (double)steps, i == steps ? "done" : "counting");
        mcp_log(r, MCP_DEBUG, "count", "step %lld of %lld", (long long)i, (long long)steps);
    }
    mcp_log(r, MCP_INFO, "count", "counted to %lld", (long long)steps);
    mcp_sayf(r, "counted to %lld", (long long)steps);
}

static void dot(mcp_request *r, void *data)
{
    (void)data;
    /* One red pixel. */
    static const unsigned char png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00,
        0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01, 0x01, 0x00, 0xc9,
        0xfe, 0x92, 0xef, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    mcp_image(r, png, sizeof png, "image/png");
}

static void about(mcp_request *r, void *data)
{
    (void)data;
    mcp_sayf(r, "An MCP server in C. This is its only page.");
}

static void table(mcp_request *r, void *data)
{
    (void)data;
    mcp_string text;
    if (!mcp_text(r, "n", &text))
        return;
    char *end;
    long n = strtol(text.data, &end, 10);
    if (end == text.data || *end || n < 1 || n > 1000) {
        mcp_fail(r, "table://N wants a number from 1 to 1000");
        return;
    }
    char line[256];
    size_t used = 0;
    for (long i = 1; i <= 10; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%ld x %ld = %ld\n", i, n, i * n);
    mcp_say(r, line, used);
}

static void review(mcp_request *r, void *data)
{
    (void)data;
    mcp_string code, language;
    if (!mcp_text(r, "code", &code))
        return;
    if (!mcp_text(r, "language", &language))
        language = (mcp_string){"this", 4};
    mcp_message(r, "user", "Look for mistakes, and say which line each is on.", 49);
    mcp_sayf(r, "Review %s code:\n\n%s", language.data, code.data);
}

int main(void)
{
    mcp_server *server = mcp_new("c-server", "1.0.0");
    mcp_instructions(server, "Temperatures, loud texts and multiplication tables.");
    mcp_add_tool(server, &(mcp_tool){
                             .name = "convert",
                             .title = "Convert a temperature",
                             .description = "Convert a temperature between celsius, fahrenheit and kelvin.",
                             .input_schema = "{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"number\"},"
                                             "\"from\":{\"enum\":[\"celsius\",\"fahrenheit\",\"kelvin\"]},"
                                             "\"to\":{\"enum\":[\"celsius\",\"fahrenheit\",\"kelvin\"]}},"
                                             "\"required\":[\"value\",\"from\",\"to\"]}",
                             .output_schema = "{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"number\"}},"
                                              "\"required\":[\"value\"]}",
                             .annotations = "{\"readOnlyHint\":true}",
                             .run = convert,
                         });
    mcp_add_tool(server, &(mcp_tool){
                             .name = "shout",
                             .description = "Turn a text's letters into capitals.",
                             .input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},"
                                             "\"required\":[\"text\"]}",
                             .run = shout,
                         });
    mcp_add_tool(server, &(mcp_tool){
                             .name = "count",
                             .description = "Count to a number, with progress and log messages on the way.",
                             .input_schema = "{\"type\":\"object\",\"properties\":{\"steps\":{\"type\":\"integer\","
                                             "\"minimum\":1,\"maximum\":1000}},\"required\":[\"steps\"]}",
                             .run = count,
                         });
    mcp_add_tool(server, &(mcp_tool){.name = "dot", .description = "A picture of one pixel.", .run = dot});
    mcp_add_resource(server, &(mcp_resource){
                                 .uri = "about://server",
                                 .name = "about",
                                 .description = "What this server is.",
                                 .mime_type = "text/plain",
                                 .read = about,
                             });
    mcp_add_resource(server, &(mcp_resource){
                                 .uri = "table://{n}",
                                 .name = "table",
                                 .description = "The multiplication table of a number.",
                                 .mime_type = "text/plain",
                                 .read = table,
                             });
    mcp_add_prompt(server, &(mcp_prompt){
                               .name = "review",
                               .description = "Ask for a review of a piece of code.",
                               .arguments =
                                   (const mcp_prompt_argument[]){
                                       {.name = "code", .description = "The code.", .required = true},
                                       {.name = "language", .description = "What it is written in."},
                                       {0},
                                   },
                               .get = review,
                           });
    return mcp_serve(server);
}
