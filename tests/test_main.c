/* Runs the registered tests; see test.h. */
#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static ms_test *all_tests;
static bool failed_now;
static char base_folder[256];
static int n_folders;

void ms_test_register(ms_test *test) {
    ms_test **at = &all_tests; /* kept in order of file, then of appearance reversed by constructors: sort by file and name */
    while (*at && (strcmp((*at)->file, test->file) < 0 ||
                   (strcmp((*at)->file, test->file) == 0 && strcmp((*at)->name, test->name) < 0)))
        at = &(*at)->next;
    test->next = *at;
    *at = test;
}

void ms_test_fail(const char *file, int line, const char *format, ...) {
    failed_now = true;
    printf("%s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

bool ms_test_same_text(const char *file, int line, const char *what, const char *got, const char *want) {
    if (got && strcmp(got, want) == 0) return true;
    ms_test_fail(file, line, "%s:\n   got: %s\n  want: %s", what, got ? got : "(null)", want);
    return false;
}

uint64_t gen_u64(ms_gen *g) {
    uint64_t z = g->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

size_t gen_below(ms_gen *g, size_t limit) { return (size_t)(gen_u64(g) % limit); }

double gen_unit(ms_gen *g) { return (double)(gen_u64(g) >> 11) * 0x1p-53; }

double gen_normal(ms_gen *g) {
    const double u = 1 - gen_unit(g), v = gen_unit(g);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

size_t gen_finite_weights(ms_gen *g, float *w, size_t n_max) {
    const size_t n = gen_below(g, n_max) + 1;
    const size_t kind = gen_below(g, 6);
    const double scale = pow(10, -4 + 5 * gen_unit(g));
    for (size_t i = 0; i < n; i++) {
        const double x = gen_normal(g);
        switch (kind) {
        case 0: w[i] = (float)(scale * x); break;
        case 1: w[i] = (float)(scale * x * x * x); break;
        case 2: w[i] = (float)(1e-38 * x); break;
        case 3: w[i] = gen_below(g, 3) ? 0.0f : (float)(scale * x); break;
        case 4: w[i] = (float)scale; break;
        default: w[i] = (float)gen_below(g, 9) / 4 - 1; break;
        }
    }
    return n;
}

size_t gen_weights(ms_gen *g, float *w, size_t n_max) {
    const size_t n = gen_finite_weights(g, w, n_max);
    if (gen_below(g, 2))
        for (size_t k = gen_below(g, 4); k > 0; k--) {
            static const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f};
            w[gen_below(g, n)] = odd[gen_below(g, 4)];
        }
    return n;
}

const char *test_folder(void) {
    static char folder[300];
    if (!base_folder[0]) {
        const char *const tmp = getenv("TMPDIR");
        snprintf(base_folder, sizeof base_folder, "%s/moescope-test-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
        if (!mkdtemp(base_folder)) {
            perror(base_folder);
            exit(2);
        }
    }
    snprintf(folder, sizeof folder, "%s/%d", base_folder, n_folders++);
    if (mkdir(folder, 0700) != 0) {
        perror(folder);
        exit(2);
    }
    return folder;
}

bool test_read_file(ms_buf *out, const char *path) {
    ms_buf_clear(out);
    ms_buf_put(out, "", 0);
    FILE *const file = fopen(path, "rb");
    char block[4096];
    size_t n;
    while (file && (n = fread(block, 1, sizeof block, file)) > 0) ms_buf_put(out, block, n);
    const bool ok = file && !ferror(file) && !out->failed;
    if (file) fclose(file);
    if (!ok) ms_test_fail(__FILE__, __LINE__, "%s: cannot be read", path);
    return ok;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

static bool wanted(const char *name, int argc, char **argv, int first) {
    if (first == argc) return true;
    for (int i = first; i < argc; i++)
        if (fnmatch(argv[i], name, 0) == 0) return true;
    return false;
}

/* True when every seed (and instruction set) passed. */
static bool run_test(const ms_test *test) {
    failed_now = false;
    const int first_isa = test->every_isa ? MS_ISA_AVX2 : MS_ISA_SCALAR;
    const int last_isa = test->every_isa ? (int)ms_cpu_best_isa() : MS_ISA_SCALAR;
    for (int isa = first_isa; isa <= last_isa; isa++)
        for (int seed = 0; seed < test->n_seeds && !failed_now; seed++) {
            ms_gen g = {.state = (uint64_t)seed * 0x2545F4914F6CDD1Du + 1};
            test->run(&g, (ms_isa)isa);
            if (failed_now) printf("FAILED %s (seed %d, %s)\n", test->name, seed, ms_isa_name((ms_isa)isa));
        }
    return !failed_now;
}

int main(int argc, char **argv) {
    const bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int n_passed = 0, n_failed = 0;
    for (const ms_test *test = all_tests; test; test = test->next) {
        if (!wanted(test->name, argc, argv, verbose ? 2 : 1)) continue;
        if (verbose) printf("%s\n", test->name), fflush(stdout);
        if (run_test(test)) n_passed++;
        else n_failed++;
    }
    if (base_folder[0]) nftw(base_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed\n", n_passed, n_failed);
    return n_failed ? 1 : n_passed ? 0 : 2;
}
