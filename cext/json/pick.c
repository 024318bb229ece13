/* Which kernels a machine with given features uses. */
#include "kernels.h"
#include "mcpkit/cpu.h"

const mck_json_kernels *mck_json_pick(uint32_t mask)
{
#if defined(__x86_64__) || defined(_M_X64)
    if (mask & MCK_CPU_AVX2) {
        return &mck_json_kernels_avx2;
    }
#elif defined(MCK_JSON_HAVE_NEON_FILE)
    if ((mask & MCK_CPU_NEON) && mck_json_neon()) {
        return mck_json_neon();
    }
#elif defined(__wasm_simd128__)
    if (mask & MCK_CPU_SIMD128) {
        return &mck_json_kernels_simd128;
    }
#endif
    (void)mask;
    return &mck_json_kernels_portable;
}
