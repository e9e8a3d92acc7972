#include "cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static ms_isa best_isa, chosen_isa;
static bool has_vbmi2; /* and may use it: no lower set was asked for */

static const char *const names[MS_ISA_COUNT] = {"scalar", "avx2", "avx512"};

#if defined(__x86_64__)
/* What the compiler flags of *_avx2.c and *_avx512.c allow it to use; gcc 11 does not know the name "x86-64-v3" for it. */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("lzcnt");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool leaf7(unsigned sub, int reg, unsigned bit) {
    unsigned r[4] = {0};
    return __get_cpuid_count(7, sub, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1);
}
#endif

static void ask(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    best_isa = has_avx512() ? MS_ISA_AVX512 : has_avx2() ? MS_ISA_AVX2 : MS_ISA_SCALAR;
#endif
    chosen_isa = best_isa;
    const char *const wanted = getenv("MOESCOPE_ISA");
    for (int i = 0; wanted && i < MS_ISA_COUNT; i++)
        if (strcmp(wanted, names[i]) == 0 && i < (int)best_isa) chosen_isa = (ms_isa)i;
#if defined(__x86_64__)
    has_vbmi2 = chosen_isa == MS_ISA_AVX512 && leaf7(0, 2, 6);
#endif
}

ms_isa ms_cpu_isa(void) {
    pthread_once(&asked, ask);
    return chosen_isa;
}

ms_isa ms_cpu_best_isa(void) {
    pthread_once(&asked, ask);
    return best_isa;
}

bool ms_cpu_has_avx512_vbmi2(void) {
    pthread_once(&asked, ask);
    return has_vbmi2;
}

const char *ms_isa_name(ms_isa isa) { return isa < MS_ISA_COUNT ? names[isa] : "unknown"; }

void ms_cpu_model(char text[static 64]) {
    memset(text, 0, 64);
#if defined(__x86_64__)
    unsigned words[12] = {0};
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3])) break;
    memcpy(text, words, sizeof words);
#endif
    size_t blanks = strspn(text, " ");
    memmove(text, text + blanks, 64 - blanks);
    for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--) text[n - 1] = 0;
    if (!text[0]) memcpy(text, "unknown processor", sizeof "unknown processor");
}

#if defined(__x86_64__)
bool ms_cpu_has_avx512_bf16(void) { return ms_cpu_best_isa() == MS_ISA_AVX512 && leaf7(1, 0, 5); }
bool ms_cpu_has_amx_bf16(void) { return ms_cpu_best_isa() == MS_ISA_AVX512 && leaf7(0, 3, 22); }
#else
bool ms_cpu_has_avx512_bf16(void) { return false; }
bool ms_cpu_has_amx_bf16(void) { return false; }
#endif

static uint64_t quota; /* thousandths of a processor; asked once, as files may be out of reach later (a jail) */
static void ask_quota(void) { quota = ms_cgroup_cpus(); }

int ms_cpu_count(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int n = CPU_COUNT(&set);
    pthread_once(&once, ask_quota);
    if (n < 1) return 1;
    return quota < (uint64_t)n * 1000 ? (int)((quota + 999) / 1000) : n;
}
