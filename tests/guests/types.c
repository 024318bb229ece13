/* The functions of types.wit. A list comes and goes as address and length, so that one body serves every list. */
#include "component.h"

#define ECHO "test:types/echo@0.1.0#"

#define AS_IS(name, type)                                                                                              \
    EXPORT(ECHO name) type JOIN(as_is_, __LINE__)(type value)                                                          \
    {                                                                                                                  \
        return value;                                                                                                  \
    }
#define JOIN(a, b) JOIN2(a, b)
#define JOIN2(a, b) a##b

AS_IS("of-bool", int32_t)
AS_IS("of-s8", int32_t)
AS_IS("of-u8", int32_t)
AS_IS("of-s16", int32_t)
AS_IS("of-u16", int32_t)
AS_IS("of-s32", int32_t)
AS_IS("of-u32", int32_t)
AS_IS("of-s64", int64_t)
AS_IS("of-u64", int64_t)
AS_IS("of-f32", float)
AS_IS("of-f64", double)
AS_IS("of-char", int32_t)
AS_IS("of-color", int32_t)
AS_IS("of-rights", int32_t)

static string words;

#define LIST(name)                                                                                                     \
    EXPORT(ECHO name) const string *JOIN(list_, __LINE__)(const char *data, uint32_t length)                           \
    {                                                                                                                  \
        words = (string){data, length};                                                                                \
        return &words;                                                                                                 \
    }

LIST("of-string")
LIST("list-of-bool")
LIST("list-of-s8")
LIST("list-of-u8")
LIST("list-of-s16")
LIST("list-of-u16")
LIST("list-of-s32")
LIST("list-of-u32")
LIST("list-of-s64")
LIST("list-of-u64")
LIST("list-of-f32")
LIST("list-of-f64")
LIST("list-of-char")
LIST("list-of-string")
LIST("list-of-color")
LIST("list-of-rights")
LIST("list-of-point")
LIST("list-of-pair")
LIST("list-of-shape")
LIST("list-of-option")
LIST("list-of-result")
LIST("list-of-empty-result")
LIST("list-of-list")
LIST("list-of-nest")

typedef struct {
    int32_t x, y;
} point;

typedef struct {
    uint8_t number;
    string text;
} pair;

typedef struct {
    uint8_t which;
    union {
        int64_t bits; /* of the circle's radius */
        point rectangle;
    };
} shape;

typedef struct {
    uint8_t which;
    uint32_t value;
} choice;

EXPORT(ECHO "of-point") const point *of_point(int32_t x, int32_t y)
{
    static point result;
    result = (point){x, y};
    return &result;
}

EXPORT(ECHO "of-pair") const pair *of_pair(int32_t number, const char *data, uint32_t length)
{
    static pair result;
    result = (pair){(uint8_t)number, {data, length}};
    return &result;
}

/* The first value carries a double or an int32, and so is the int64 that holds either. */
EXPORT(ECHO "of-shape") const shape *of_shape(int32_t which, int64_t first, int32_t second)
{
    static shape result;
    result.which = (uint8_t)which;
    result.bits = first;
    if (which == 1)
        result.rectangle = (point){(int32_t)first, second};
    return &result;
}

EXPORT(ECHO "of-option") const choice *of_option(int32_t which, uint32_t value)
{
    static choice result;
    result = (choice){(uint8_t)which, value};
    return &result;
}

EXPORT(ECHO "of-result") const choice *of_result(int32_t which, uint32_t value)
{
    static choice result;
    result = (choice){(uint8_t)which, value};
    return &result;
}

EXPORT(ECHO "of-nothing") void of_nothing(void)
{
}

EXPORT("greet") const string *greet(const char *name, uint32_t length)
{
    static const char hello[] = "hello, ";
    char *text = allocate(sizeof hello - 1 + length, 1);
    if (text == NULL)
        __builtin_trap();
    __builtin_memcpy(text, hello, sizeof hello - 1);
    __builtin_memcpy(text + sizeof hello - 1, name, length);
    words = (string){text, sizeof hello - 1 + length};
    return &words;
}
