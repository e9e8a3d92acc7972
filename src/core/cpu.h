/*
 * cpu: which instruction sets this machine has, asked once; the only global state of the program.
 *
 * A kernel exists once per instruction set (moments_scalar.c, moments_avx2.c, moments_avx512.c; the file's suffix chooses its
 * compiler flags) and in one table indexed by ms_isa:
 *
 *     static const ms_moments_kernel *const kernels[MS_ISA_COUNT] = {...};      // scalar is never NULL
 *     kernels[ms_cpu_isa()]->run(...)
 *
 * The environment variable MOESCOPE_ISA (scalar, avx2, avx512) forces a lower one.
 *   avx2     AVX2, FMA, F16C
 *   avx512   avx2 and AVX-512 F, BW, CD, DQ, VL
 */
#ifndef MS_CPU_H
#define MS_CPU_H

#include <stdbool.h>

typedef enum ms_isa { MS_ISA_SCALAR, MS_ISA_AVX2, MS_ISA_AVX512, MS_ISA_COUNT } ms_isa;

/* The best set this machine has, or the lower one that MOESCOPE_ISA names. Thread-safe. */
ms_isa ms_cpu_isa(void);

/* What the machine has, whatever the environment says. */
ms_isa ms_cpu_best_isa(void);

const char *ms_isa_name(ms_isa isa);

/* "AMD EPYC ..." from the processor itself. text: [64]. */
void ms_cpu_model(char text[static 64]);

bool ms_cpu_has_avx512_vbmi2(void); /* false when MOESCOPE_ISA asks for less than avx512 */
bool ms_cpu_has_avx512_bf16(void);
bool ms_cpu_has_amx_bf16(void);

/* Processors whose time this process may use, at least 1: those it may run on, or fewer when its control group says so. */
int ms_cpu_count(void);

#endif
