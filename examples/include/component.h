/*
 * What a component written in C needs, and nothing else: no C library, no imports. Include it in exactly one file.
 *
 * A string or list arrives as pointer and length, in memory that the host got from cabi_realloc; a result that does not
 * fit one register is returned as the address of a structure laid out as C lays it out for wasm32.
 */
#ifndef COMPONENT_H
#define COMPONENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name), used))

typedef struct {
    const char *data;
    uint32_t length; /* bytes of UTF-8 */
} string;

#define STRING(literal) ((string){(literal), sizeof(literal) - 1})

extern unsigned char __heap_base; /* placed by the linker behind data and stack */

static uintptr_t heap_top;

/* Memory that lives until the call ends; NULL when the limit is reached. */
static void *allocate(size_t size, size_t alignment)
{
    if (heap_top == 0)
        heap_top = (uintptr_t)&__heap_base;
    uintptr_t start = (heap_top + alignment - 1) & ~(uintptr_t)(alignment - 1);
    uintptr_t end = start + size;
    if (end < start)
        return NULL;
    uintptr_t have = __builtin_wasm_memory_size(0) * 65536u;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535u) / 65536u) == (size_t)-1)
        return NULL;
    heap_top = end;
    return (void *)start;
}

/* To be called from a function's cabi_post_…: an instance that serves many calls begins each with an empty heap. */
static inline void release_all(void)
{
    heap_top = (uintptr_t)&__heap_base;
}

void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size);

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size)
{
    unsigned char *fresh = allocate(size, alignment);
    if (fresh == NULL)
        __builtin_trap();
    for (size_t i = 0; old != NULL && i < old_size && i < size; i++)
        fresh[i] = ((unsigned char *)old)[i];
    return fresh;
}

#endif
