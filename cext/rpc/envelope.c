/*
 * One scan over a message. Faults of JSON are final; the first fault of the envelope is remembered while the scan goes
 * on, so that text that is not JSON is always called that and a refusal can name the id wherever it stands.
 */
#include "mcpkit/rpc.h"

#include <string.h>

#define LONGEST_KEY 64u /* decoded; every key we know is shorter */

typedef struct {
    mck_json_cursor cursor;
    mck_rpc_envelope *out;
    bool has_method, has_result, has_error, has_version, has_id;
} scan;

static void refuse(scan *s, mck_rpc_status status, uint32_t position)
{
    if (s->out->status == MCK_RPC_OK) {
        s->out->status = status;
        s->out->position = position;
    }
}

typedef enum {
    KEY_UNKNOWN,
    KEY_JSONRPC,
    KEY_ID,
    KEY_METHOD,
    KEY_PARAMS,
    KEY_RESULT,
    KEY_ERROR,
} top_key;

/* The decoded bytes of a key: those of the message itself, or `room` when an escape hides in it. Keys too long to be
 * known come back as nothing. */
static const uint8_t *key_text(const scan *s, const mck_json_value *key, uint8_t room[LONGEST_KEY], size_t *len)
{
    const uint8_t *raw = s->cursor.data + key->span.start;
    *len = key->span.end - key->span.start;
    if (!key->escaped) {
        return raw;
    }
    uint8_t decoded[6 * LONGEST_KEY];
    if (*len > sizeof decoded) {
        *len = 0;
        return raw;
    }
    *len = mck_json_decode_string(raw, *len, decoded);
    if (*len > LONGEST_KEY) {
        *len = 0;
        return raw;
    }
    memcpy(room, decoded, *len);
    return room;
}

#define IS(word) (memcmp(text, word, sizeof(word) - 1) == 0)

static top_key top_key_of(const uint8_t *text, size_t len)
{
    switch (len) {
    case 2: return IS("id") ? KEY_ID : KEY_UNKNOWN;
    case 5: return IS("error") ? KEY_ERROR : KEY_UNKNOWN;
    case 6: return IS("method") ? KEY_METHOD : IS("params") ? KEY_PARAMS : IS("result") ? KEY_RESULT : KEY_UNKNOWN;
    case 7: return IS("jsonrpc") ? KEY_JSONRPC : KEY_UNKNOWN;
    default: return KEY_UNKNOWN;
    }
}

/* Where a member of params is kept, and its flag; NULL for what the server does not decide on. */
static mck_json_value *params_slot(mck_rpc_envelope *e, const uint8_t *text, size_t len, uint32_t *flag)
{
#define SLOT(word, member, bit)                                                                                        \
    if (IS(word)) {                                                                                                    \
        *flag = bit;                                                                                                   \
        return &e->member;                                                                                             \
    }
    switch (len) {
    case 3: SLOT("uri", uri, MCK_RPC_HAS_URI) break;
    case 4:
        SLOT("name", name, MCK_RPC_HAS_NAME)
        SLOT("task", task, MCK_RPC_HAS_TASK)
        break;
    case 5: SLOT("_meta", meta, MCK_RPC_HAS_META) break;
    case 6:
        SLOT("cursor", cursor, MCK_RPC_HAS_CURSOR)
        SLOT("taskId", task_id, MCK_RPC_HAS_TASK_ID)
        break;
    case 9:
        SLOT("arguments", arguments, MCK_RPC_HAS_ARGUMENTS)
        SLOT("requestId", request_id, MCK_RPC_HAS_REQUEST_ID)
        break;
    case 12: SLOT("requestState", request_state, MCK_RPC_HAS_REQUEST_STATE) break;
    case 14: SLOT("inputResponses", input_responses, MCK_RPC_HAS_INPUT_RESPONSES) break;
    default: break;
    }
    return NULL;
}

static mck_json_value *meta_slot(mck_rpc_envelope *e, const uint8_t *text, size_t len, uint32_t *flag)
{
    static const char prefix[] = "io.modelcontextprotocol/";
    const size_t prefix_len = sizeof prefix - 1;
    if (len == 13) {
        SLOT("progressToken", progress_token, MCK_RPC_HAS_PROGRESS_TOKEN)
        return NULL;
    }
    if (len <= prefix_len || memcmp(text, prefix, prefix_len) != 0) {
        return NULL;
    }
    text += prefix_len;
    switch (len - prefix_len) {
    case 8: SLOT("logLevel", log_level, MCK_RPC_HAS_LOG_LEVEL) break;
    case 10: SLOT("clientInfo", client_info, MCK_RPC_HAS_CLIENT_INFO) break;
    case 15: SLOT("protocolVersion", protocol_version, MCK_RPC_HAS_PROTOCOL_VERSION) break;
    case 18: SLOT("clientCapabilities", client_capabilities, MCK_RPC_HAS_CLIENT_CAPABILITIES) break;
    default: break;
    }
    return NULL;
#undef SLOT
}

/*
 * Compact messages spell their keys plainly. A comparison with the key that is probably there costs the processor a
 * correct guess; looking for the key's end first would make everything after it wait. The offset of the key's quote
 * when it may be one, else 0.
 */
static inline uint32_t compact_key(const mck_json_cursor *c, bool first)
{
    uint32_t pos = c->pos;
    if (!first) {
        if (pos >= c->len || c->data[pos] != ',') {
            return 0;
        }
        pos++;
    }
    return c->len - pos >= 3 && c->data[pos] == '"' ? pos : 0;
}

/* One bracket, brace or the like, when it is the very next byte. */
static inline bool skip_byte(mck_json_cursor *c, uint8_t byte)
{
    if (c->pos >= c->len || c->data[c->pos] != byte) {
        return false;
    }
    c->pos++;
    return true;
}

static inline mck_json_status enter_object(mck_json_cursor *c)
{
    if (c->depth < c->max_depth && skip_byte(c, '{')) {
        c->depth++;
        return MCK_JSON_OK;
    }
    return mck_json_enter_object(c);
}

static inline bool leave_object(mck_json_cursor *c)
{
    if (!skip_byte(c, '}')) {
        return false;
    }
    c->depth--;
    return true;
}

static inline mck_json_status peek(mck_json_cursor *c, mck_json_kind *kind)
{
    if (c->pos < c->len && c->data[c->pos] == '{') {
        *kind = MCK_JSON_OBJECT;
        return MCK_JSON_OK;
    }
    return mck_json_peek(c, kind);
}

static inline bool skip_text(mck_json_cursor *c, uint32_t pos, const char *text, uint32_t len)
{
    if (c->len - pos < len || memcmp(c->data + pos, text, len) != 0) {
        return false;
    }
    c->pos = pos + len;
    return true;
}

#define SKIP_KEY(c, pos, word) skip_text(c, pos, "\"" word "\":", sizeof(word) + 2)

static inline top_key compact_top_key(mck_json_cursor *c, uint32_t pos)
{
    switch (c->data[pos + 1]) {
    case 'j': return SKIP_KEY(c, pos, "jsonrpc") ? KEY_JSONRPC : KEY_UNKNOWN;
    case 'i': return SKIP_KEY(c, pos, "id") ? KEY_ID : KEY_UNKNOWN;
    case 'm': return SKIP_KEY(c, pos, "method") ? KEY_METHOD : KEY_UNKNOWN;
    case 'p': return SKIP_KEY(c, pos, "params") ? KEY_PARAMS : KEY_UNKNOWN;
    default: return KEY_UNKNOWN;
    }
}

#define SLOT(word, member, bit)                                                                                        \
    if (SKIP_KEY(c, pos, word)) {                                                                                      \
        *flag = bit;                                                                                                   \
        return &e->member;                                                                                             \
    }

static inline mck_json_value *compact_slot(mck_json_cursor *c, uint32_t pos, bool in_meta, mck_rpc_envelope *e,
                                           uint32_t *flag)
{
    uint8_t initial = c->data[pos + 1];
    if (in_meta) {
        if (initial == 'i') {
            SLOT("io.modelcontextprotocol/protocolVersion", protocol_version, MCK_RPC_HAS_PROTOCOL_VERSION)
            SLOT("io.modelcontextprotocol/clientInfo", client_info, MCK_RPC_HAS_CLIENT_INFO)
            SLOT("io.modelcontextprotocol/clientCapabilities", client_capabilities, MCK_RPC_HAS_CLIENT_CAPABILITIES)
        } else if (initial == 'p') {
            SLOT("progressToken", progress_token, MCK_RPC_HAS_PROGRESS_TOKEN)
        }
        return NULL;
    }
    switch (initial) {
    case 'n': SLOT("name", name, MCK_RPC_HAS_NAME) break;
    case 'a': SLOT("arguments", arguments, MCK_RPC_HAS_ARGUMENTS) break;
    case '_': SLOT("_meta", meta, MCK_RPC_HAS_META) break;
    case 'u': SLOT("uri", uri, MCK_RPC_HAS_URI) break;
    default: break;
    }
    return NULL;
}
#undef SLOT

/* Members of an object that stands next: params (with _meta inside it) or _meta. `span` receives its brackets too. */
static mck_json_status read_members(scan *s, bool in_meta, mck_span *span)
{
    mck_json_cursor *c = &s->cursor;
    mck_json_status status;
    mck_json_value key;
    bool more;
    status = enter_object(c);
    if (status != MCK_JSON_OK) {
        return status;
    }
    span->start = c->pos - 1;
    for (bool first = true;; first = false) {
        uint32_t flag = 0, start = compact_key(c, first);
        mck_json_value *slot = start ? compact_slot(c, start, in_meta, s->out, &flag) : NULL;
        if (!slot) {
            if (leave_object(c)) {
                span->end = c->pos;
                return MCK_JSON_OK;
            }
            if ((status = mck_json_member(c, first, &key, &more)) != MCK_JSON_OK) {
                return status;
            }
            if (!more) {
                span->end = c->pos;
                return MCK_JSON_OK;
            }
            uint8_t room[LONGEST_KEY];
            size_t len;
            const uint8_t *text = key_text(s, &key, room, &len);
            slot = in_meta ? meta_slot(s->out, text, len, &flag) : params_slot(s->out, text, len, &flag);
            start = key.span.start - 1;
        }
        mck_json_value other;
        if (!slot) {
            slot = &other;
        } else if (s->out->flags & flag) {
            refuse(s, MCK_RPC_E_DUPLICATE, start);
            slot = &other;
        } else {
            s->out->flags |= flag;
        }
        if (slot == &s->out->meta) {
            mck_json_kind kind;
            if ((status = peek(c, &kind)) != MCK_JSON_OK) {
                return status;
            }
            if (kind == MCK_JSON_OBJECT) {
                slot->kind = kind;
                if ((status = read_members(s, true, &slot->span)) != MCK_JSON_OK) {
                    return status;
                }
                continue;
            }
        }
        if ((status = mck_json_read(c, slot)) != MCK_JSON_OK) {
            return status;
        }
    }
}

/* A short number without sign, as nearly every client counts; anything else is read in the ordinary way. */
static inline bool skip_small_integer(mck_json_cursor *c)
{
    uint32_t pos = c->pos, end = c->len - pos > 10 ? pos + 10 : c->len;
    while (pos < end && c->data[pos] >= '0' && c->data[pos] <= '9') {
        pos++;
    }
    if (pos == c->pos || pos >= end || c->data[c->pos] == '0' || (c->data[pos] != ',' && c->data[pos] != '}')) {
        return false;
    }
    c->pos = pos;
    return true;
}

static mck_json_status read_id(scan *s)
{
    mck_json_value value;
    uint32_t start = s->cursor.pos;
    if (skip_small_integer(&s->cursor)) {
        s->out->id_kind = MCK_RPC_ID_INTEGER;
        s->out->id = (mck_span){start, s->cursor.pos};
        return MCK_JSON_OK;
    }
    mck_json_status status = mck_json_read(&s->cursor, &value);
    if (status != MCK_JSON_OK) {
        return status;
    }
    if (value.kind == MCK_JSON_STRING) {
        s->out->id_kind = MCK_RPC_ID_STRING;
        s->out->id = (mck_span){value.span.start - 1, value.span.end + 1};
    } else if (value.kind == MCK_JSON_NUMBER && value.integral) {
        s->out->id_kind = MCK_RPC_ID_INTEGER;
        s->out->id = value.span;
    } else {
        refuse(s, MCK_RPC_E_ID, value.span.start);
    }
    return MCK_JSON_OK;
}

static mck_json_status read_version(scan *s)
{
    mck_json_value value;
    mck_json_status status = mck_json_read(&s->cursor, &value);
    if (status == MCK_JSON_OK && (value.kind != MCK_JSON_STRING ||
                                  !mck_json_string_is(s->cursor.data + value.span.start,
                                                      value.span.end - value.span.start, value.escaped, "2.0", 3))) {
        refuse(s, MCK_RPC_E_VERSION, value.span.start);
    }
    return status;
}

static mck_json_status read_method(scan *s)
{
    mck_json_value value;
    uint32_t start = s->cursor.pos;
    if (skip_text(&s->cursor, start, "\"tools/call\"", 12)) {
        s->out->method = MCK_RPC_M_TOOLS_CALL;
        s->out->method_name.kind = MCK_JSON_STRING;
        s->out->method_name.span = (mck_span){start + 1, start + 11};
        return MCK_JSON_OK;
    }
    mck_json_status status = mck_json_read(&s->cursor, &value);
    if (status != MCK_JSON_OK) {
        return status;
    }
    if (value.kind != MCK_JSON_STRING) {
        refuse(s, MCK_RPC_E_METHOD, value.span.start);
        return MCK_JSON_OK;
    }
    uint8_t room[LONGEST_KEY];
    size_t len;
    const uint8_t *text = key_text(s, &value, room, &len);
    s->out->method_name = value;
    s->out->method = mck_rpc_method_from(text, len);
    return MCK_JSON_OK;
}

static mck_json_status read_params(scan *s)
{
    mck_json_kind kind;
    mck_json_value value;
    mck_json_status status = peek(&s->cursor, &kind);
    if (status != MCK_JSON_OK) {
        return status;
    }
    s->out->flags |= MCK_RPC_HAS_PARAMS;
    if (kind == MCK_JSON_OBJECT) {
        return read_members(s, false, &s->out->params);
    }
    refuse(s, MCK_RPC_E_PARAMS, s->cursor.pos);
    return mck_json_read(&s->cursor, &value);
}

static mck_json_status read_span(scan *s, mck_span *span)
{
    mck_json_value value;
    mck_json_status status = mck_json_read(&s->cursor, &value);
    if (status == MCK_JSON_OK) {
        uint32_t quote = value.kind == MCK_JSON_STRING;
        *span = (mck_span){value.span.start - quote, value.span.end + quote};
    }
    return status;
}

static mck_json_status read_top(scan *s)
{
    mck_json_cursor *c = &s->cursor;
    mck_json_value key;
    mck_json_status status = enter_object(c);
    bool more;
    for (bool first = true; status == MCK_JSON_OK; first = false) {
        uint32_t start = compact_key(c, first);
        top_key which = start ? compact_top_key(c, start) : KEY_UNKNOWN;
        if (which == KEY_UNKNOWN) {
            if (leave_object(c)) {
                return MCK_JSON_OK;
            }
            if ((status = mck_json_member(c, first, &key, &more)) != MCK_JSON_OK || !more) {
                return status;
            }
            uint8_t room[LONGEST_KEY];
            size_t len;
            const uint8_t *text = key_text(s, &key, room, &len);
            which = top_key_of(text, len);
            start = key.span.start - 1;
        }
        bool unknown = false;
        bool *seen = which == KEY_JSONRPC  ? &s->has_version
                     : which == KEY_ID     ? &s->has_id
                     : which == KEY_METHOD ? &s->has_method
                     : which == KEY_RESULT ? &s->has_result
                     : which == KEY_ERROR  ? &s->has_error
                                           : &unknown;
        if (*seen || (which == KEY_PARAMS && (s->out->flags & MCK_RPC_HAS_PARAMS))) {
            refuse(s, MCK_RPC_E_DUPLICATE, start);
            which = KEY_UNKNOWN;
        }
        *seen = true;
        switch (which) {
        case KEY_JSONRPC: status = read_version(s); break;
        case KEY_ID: status = read_id(s); break;
        case KEY_METHOD: status = read_method(s); break;
        case KEY_PARAMS: status = read_params(s); break;
        case KEY_RESULT: status = read_span(s, &s->out->result); break;
        case KEY_ERROR: status = read_span(s, &s->out->error); break;
        case KEY_UNKNOWN:
        default: {
            mck_json_value value;
            status = mck_json_read(c, &value);
        }
        }
    }
    return status;
}

/* What kind of message it is, once it is known to be JSON. */
static void judge(scan *s, uint32_t start)
{
    mck_rpc_envelope *e = s->out;
    if (!s->has_version) {
        refuse(s, MCK_RPC_E_VERSION, start);
    }
    if ((s->has_result && (s->has_error || s->has_method)) || (s->has_error && s->has_method)) {
        refuse(s, MCK_RPC_E_BOTH, start);
    }
    if (s->has_result && e->id_kind == MCK_RPC_ID_NONE) {
        refuse(s, MCK_RPC_E_ID, start);
    }
    if (!s->has_result && !s->has_error && !s->has_method) {
        refuse(s, MCK_RPC_E_METHOD, start);
    }
    if (e->status != MCK_RPC_OK) {
        return;
    }
    e->kind = !s->has_method                  ? MCK_RPC_RESPONSE
              : e->id_kind == MCK_RPC_ID_NONE ? MCK_RPC_NOTIFICATION
                                              : MCK_RPC_REQUEST;
}

/* In pieces that compilers turn into plain stores: for the whole they take a string instruction that costs a tenth of
 * the scan. */
static inline void clear(mck_rpc_envelope *out)
{
    uint8_t *p = (uint8_t *)out;
    size_t left = sizeof *out;
    for (; left >= 64; left -= 64, p += 64) {
        memset(p, 0, 64);
    }
    memset(p, 0, left);
}

mck_rpc_status mck_rpc_scan(const uint8_t *data, size_t len, const mck_rpc_options *options, mck_rpc_envelope *out)
{
    scan s = {.out = out};
    mck_json_kind kind = MCK_JSON_NULL;
    uint32_t start = 0;
    clear(out);
    mck_json_status status = mck_json_open(&s.cursor, data, len, options->max_depth, options->kernels);
    if (status == MCK_JSON_OK) {
        status = peek(&s.cursor, &kind);
        start = s.cursor.pos;
    }
    if (status == MCK_JSON_OK) {
        if (kind == MCK_JSON_OBJECT) {
            status = read_top(&s);
        } else {
            mck_json_value value;
            status = mck_json_read(&s.cursor, &value);
            if (kind != MCK_JSON_ARRAY) {
                refuse(&s, MCK_RPC_E_NOT_OBJECT, start);
            }
        }
    }
    if (status == MCK_JSON_OK) {
        status = mck_json_finish(&s.cursor);
    }
    if (status != MCK_JSON_OK) {
        out->status = MCK_RPC_E_JSON;
        out->json_status = status;
        out->position = status == MCK_JSON_E_LENGTH ? MCK_JSON_MAX_LENGTH : s.cursor.pos;
        return out->status;
    }
    if (kind == MCK_JSON_OBJECT) {
        judge(&s, start);
    } else if (kind == MCK_JSON_ARRAY) {
        mck_json_cursor c;
        mck_json_kind element;
        out->kind = MCK_RPC_BATCH;
        mck_json_open(&c, data, len, options->max_depth, options->kernels);
        mck_json_enter_array(&c);
        if (mck_json_peek(&c, &element) != MCK_JSON_OK) { /* the array is valid: this can only be its end */
            out->kind = MCK_RPC_INVALID;
            refuse(&s, MCK_RPC_E_EMPTY_BATCH, start);
        }
    }
    return out->status;
}

int mck_rpc_code(mck_rpc_status status)
{
    return status == MCK_RPC_OK ? 0 : status == MCK_RPC_E_JSON ? -32700 : -32600;
}

const char *mck_rpc_explain(mck_rpc_status status)
{
    switch (status) {
    case MCK_RPC_OK: return "valid";
    case MCK_RPC_E_JSON: return "not JSON";
    case MCK_RPC_E_NOT_OBJECT: return "neither an object nor an array";
    case MCK_RPC_E_EMPTY_BATCH: return "an empty batch";
    case MCK_RPC_E_VERSION: return "\"jsonrpc\" must be \"2.0\"";
    case MCK_RPC_E_DUPLICATE: return "the same key stands twice";
    case MCK_RPC_E_ID: return "\"id\" must be a string or an integer";
    case MCK_RPC_E_METHOD: return "\"method\" must be a string";
    case MCK_RPC_E_PARAMS: return "\"params\" must be an object";
    case MCK_RPC_E_BOTH: return "only one of \"method\", \"result\" and \"error\" may be there";
    }
    return "unknown status";
}
