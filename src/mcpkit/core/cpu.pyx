"""What the machine can do, as the kernels see it."""


def features() -> list:
    """Names of the instruction sets that this machine has and mcpkit has kernels for, in a fixed order."""
    cdef uint32_t mask = mck_cpu_features()
    return [name for name, bit in NAMES.items() if mask & bit]


def mask() -> int:
    """The same as the bit mask of ``mcpkit/cpu.h``."""
    return mck_cpu_features()


NAMES = {
    "avx2": MCK_CPU_AVX2,
    "avx512": MCK_CPU_AVX512,
    "avx512vnni": MCK_CPU_AVX512VNNI,
    "shani": MCK_CPU_SHANI,
    "neon": MCK_CPU_NEON,
    "dotprod": MCK_CPU_DOTPROD,
    "sha2": MCK_CPU_SHA2,
    "simd128": MCK_CPU_SIMD128,
    "pclmul": MCK_CPU_PCLMUL,
}
