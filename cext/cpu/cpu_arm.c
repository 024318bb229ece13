/* ARM, 32 and 64 bits: the operating system is asked, user code may not read the identification registers. */
#include "mcpkit/cpu.h"

#include "cpu_machine.h"

#if defined(MCK_MACHINE_ARM)

#if defined(__linux__) && defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t mck_cpu_features(void)
{
    unsigned long has = getauxval(AT_HWCAP);
    uint32_t mask = MCK_CPU_NEON;
    if (has & HWCAP_ASIMDDP)
        mask |= MCK_CPU_DOTPROD;
    if (has & HWCAP_SHA2)
        mask |= MCK_CPU_SHA2;
    return mask;
}
#elif defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t mck_cpu_features(void)
{
    return getauxval(AT_HWCAP) & HWCAP_NEON ? (uint32_t)MCK_CPU_NEON : 0;
}
#elif defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>

static uint32_t when(const char *name, uint32_t feature)
{
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value ? feature : 0;
}

uint32_t mck_cpu_features(void)
{
    return MCK_CPU_NEON | when("hw.optional.arm.FEAT_DotProd", MCK_CPU_DOTPROD) |
           when("hw.optional.arm.FEAT_SHA256", MCK_CPU_SHA2);
}
#else
#include <windows.h>

#define ARM_V8_CRYPTO 30 /* PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE */
#define ARM_V82_DOT 43   /* PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE */

uint32_t mck_cpu_features(void)
{
    return MCK_CPU_NEON | (IsProcessorFeaturePresent(ARM_V82_DOT) ? (uint32_t)MCK_CPU_DOTPROD : 0) |
           (IsProcessorFeaturePresent(ARM_V8_CRYPTO) ? (uint32_t)MCK_CPU_SHA2 : 0);
}
#endif

#endif
