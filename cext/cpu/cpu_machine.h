/* Which of the cpu_*.c files answers for the machine that is compiled for. Exactly one of these is defined. */
#ifndef MCKI_CPU_MACHINE_H
#define MCKI_CPU_MACHINE_H

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#define MCK_MACHINE_X86 1
#elif (defined(__aarch64__) || defined(__arm__) || defined(_M_ARM64)) &&                                               \
    (defined(__linux__) || defined(__APPLE__) || defined(_WIN32))
#define MCK_MACHINE_ARM 1
#else
#define MCK_MACHINE_OTHER 1
#endif

#endif
