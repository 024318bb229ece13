/* Writing: JSON-RPC envelopes, HTTP heads. */
#define _GNU_SOURCE
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void open_envelope(mck_buffer *out, const uint8_t *id, size_t id_len)
{
    ADD(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (id_len)
        mck_buffer_add(out, id, id_len);
    else
        ADD(out, "null");
}

void answer_result(mck_buffer *out, const uint8_t *id, size_t id_len, const uint8_t *result, size_t len)
{
    open_envelope(out, id, id_len);
    ADD(out, ",\"result\":");
    mck_buffer_add(out, result, len);
    ADD(out, "}");
}

void answer_error_object(mck_buffer *out, const uint8_t *id, size_t id_len, const uint8_t *error, size_t len)
{
    open_envelope(out, id, id_len);
    ADD(out, ",\"error\":");
    mck_buffer_add(out, error, len);
    ADD(out, "}");
}

void answer_error(mck_buffer *out, const uint8_t *id, size_t id_len, int code, const char *message, const char *data)
{
    open_envelope(out, id, id_len);
    ADD(out, ",\"error\":{\"code\":");
    mck_buffer_i64(out, code);
    ADD(out, ",\"message\":");
    mck_buffer_json_string(out, message, strlen(message));
    if (data && *data) {
        ADD(out, ",\"data\":");
        mck_buffer_text(out, data);
    }
    ADD(out, "}}");
}

uint16_t answer_call(mck_buffer *out, const mck_wasm_call *call, mck_serve_era era, const char *server_info,
                     const uint8_t *id, size_t id_len)
{
    int code = 0;
    const char *message = NULL;
    uint16_t status = 200;
    size_t start = out->len;
    open_envelope(out, id, id_len);
    ADD(out, ",\"result\":");
    if (mck_serve_call_result(call, era, server_info, out, &code, &message, &status)) {
        ADD(out, "}");
        return 200;
    }
    out->len = start;
    answer_error(out, id, id_len, code, message, NULL);
    return status;
}

const char *http_phrase(uint16_t status)
{
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

/* RFC 9110 wants a Date; it is formatted once a second. English names whatever the locale. */
static void refresh_date(mck_serve_server *server)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec now;
#ifdef CLOCK_REALTIME_COARSE
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
#else
    clock_gettime(CLOCK_REALTIME, &now);
#endif
    if ((int64_t)now.tv_sec == server->date_second)
        return;
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    snprintf(server->date, sizeof server->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
             (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    server->date_second = now.tv_sec;
}

#define LENGTH_DIGITS 10

static void open_head(mck_serve_server *server, mck_buffer *out, uint16_t status, bool close, const char *extra_fields)
{
    refresh_date(server);
    ADD(out, "HTTP/1.1 ");
    mck_buffer_u64(out, status);
    ADD(out, " ");
    mck_buffer_text(out, http_phrase(status));
    ADD(out, "\r\ndate: ");
    mck_buffer_text(out, server->date);
    if (close)
        ADD(out, "\r\nconnection: close");
    if (extra_fields) {
        ADD(out, "\r\n");
        mck_buffer_text(out, extra_fields);
    }
}

size_t http_open(mck_serve_server *server, mck_buffer *out, uint16_t status, bool close, const char *extra_fields)
{
    open_head(server, out, status, close, extra_fields);
    if (status == 204) {
        ADD(out, "\r\n\r\n");
        return out->len;
    }
    if (status != 202)
        ADD(out, "\r\ncontent-type: application/json");
    /* The length is known only when the body has been written: room for it, filled from the right by http_close. White space
     * before a field's value means nothing. */
    ADD(out, "\r\ncontent-length:          0\r\n\r\n");
    return out->len;
}

void http_open_stream(mck_serve_server *server, mck_buffer *out, bool close, const char *extra_fields)
{
    open_head(server, out, 200, close, extra_fields);
    ADD(out, "\r\ncontent-type: text/event-stream\r\ncache-control: no-cache, no-transform\r\nx-accel-buffering: no");
    if (!close)
        ADD(out, "\r\ntransfer-encoding: chunked");
    ADD(out, "\r\n\r\n");
}

void http_close(mck_buffer *out, size_t mark)
{
    if (out->failed)
        return;
    uint8_t *last = out->data + mark - 5;
    size_t n = out->len - mark;
    for (int i = 0; n && i < LENGTH_DIGITS; i++, n /= 10)
        *last-- = (uint8_t)('0' + n % 10);
}
