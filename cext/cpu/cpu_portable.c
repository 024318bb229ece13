/* Machines that mcpkit knows no run-time question for: the portable kernels, or what the build was told it may use. */
#include "mcpkit/cpu.h"

#include "cpu_machine.h"

#if defined(MCK_MACHINE_OTHER)
uint32_t mck_cpu_features(void)
{
#if defined(__wasm_simd128__)
    return MCK_CPU_SIMD128; /* a module with vector code does not even load without it */
#else
    return 0;
#endif
}
#endif
