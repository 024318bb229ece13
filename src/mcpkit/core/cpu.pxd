from libc.stdint cimport uint32_t

cdef extern from "mcpkit/cpu.h" nogil:
    enum:
        MCK_CPU_AVX2
        MCK_CPU_AVX512
        MCK_CPU_AVX512VNNI
        MCK_CPU_SHANI
        MCK_CPU_NEON
        MCK_CPU_DOTPROD
        MCK_CPU_SHA2
        MCK_CPU_SIMD128
        MCK_CPU_PCLMUL

    uint32_t mck_cpu_features()
