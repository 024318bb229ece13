/* x86: an instruction set counts only when the operating system also saves its registers (XCR0). */
#include "mcpkit/cpu.h"

#include "cpu_machine.h"

#if defined(MCK_MACHINE_X86)

#include <stdbool.h>

typedef struct {
    uint32_t eax, ebx, ecx, edx;
} registers;

#if defined(_MSC_VER)
#include <intrin.h>

static registers cpuid(uint32_t leaf, uint32_t subleaf)
{
    int r[4];
    __cpuidex(r, (int)leaf, (int)subleaf);
    return (registers){(uint32_t)r[0], (uint32_t)r[1], (uint32_t)r[2], (uint32_t)r[3]};
}

static uint64_t saved_registers(void)
{
    return _xgetbv(0);
}
#else
#include <cpuid.h>

static registers cpuid(uint32_t leaf, uint32_t subleaf)
{
    registers r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

static bool bit(uint32_t word, unsigned n)
{
    return (word >> n & 1u) != 0;
}

#define XCR0_YMM 0x06u /* SSE and AVX state */
#define XCR0_ZMM 0xe6u /* and the three AVX-512 states */

uint32_t mck_cpu_features(void)
{
    if (cpuid(0, 0).eax < 7)
        return 0;
    registers one = cpuid(1, 0), seven = cpuid(7, 0);
    uint64_t saved = bit(one.ecx, 27) ? saved_registers() : 0;
    bool ymm = (saved & XCR0_YMM) == XCR0_YMM, zmm = (saved & XCR0_ZMM) == XCR0_ZMM;
    bool ssse3 = bit(one.ecx, 9), fma = bit(one.ecx, 12), sse41 = bit(one.ecx, 19), f16c = bit(one.ecx, 29);
    bool bmi = bit(seven.ebx, 3) && bit(seven.ebx, 8);
    uint32_t mask = 0;

    /* The AVX2 files are compiled with BMI, FMA and F16C: every AVX2 machine has them, a hypervisor may hide them. */
    if (ymm && bit(seven.ebx, 5) && bmi && fma && f16c)
        mask |= MCK_CPU_AVX2;
    if (zmm && (mask & MCK_CPU_AVX2) && bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 30) &&
        bit(seven.ebx, 31)) {
        mask |= MCK_CPU_AVX512;
        if (bit(seven.ecx, 11))
            mask |= MCK_CPU_AVX512VNNI;
    }
    if (bit(seven.ebx, 29) && sse41 && ssse3)
        mask |= MCK_CPU_SHANI;
    if (bit(one.ecx, 1) && sse41)
        mask |= MCK_CPU_PCLMUL;
    return mask;
}

#endif
