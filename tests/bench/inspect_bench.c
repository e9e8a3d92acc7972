/* inspect_bench FOLDER [rounds]: the steps of `inspect`, in milliseconds, the best of some rounds each. Make the folder with
 * make_million.py. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bank.h"
#include "family.h"
#include "groups.h"
#include "parameters.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

typedef struct ms_step {
    const char *name;
    double best;
} ms_step;

static ms_step steps[8];

static double record(int step, const char *name, double since) {
    const double taken = now() - since;
    if (!steps[step].name || taken < steps[step].best) steps[step] = (ms_step){name, taken};
    return now();
}

static int one_round(const char *path, ms_err *err) {
    const ms_open_options bare = {.no_family = true};
    ms_checkpoint *ckpt;
    ms_parameters n;
    ms_banks banks;
    ms_groups groups;
    const double begin = now();
    double t = begin;
    if (ms_checkpoint_open(&ckpt, path, &bare, err) != MS_OK) return 1;
    t = record(0, "headers, index, checks", t);
    if (ms_family_classify(ckpt, err) != MS_OK) return 1;
    t = record(1, "what each tensor is for", t);
    if (ms_parameters_count(&n, ckpt, err) != MS_OK) return 1;
    t = record(2, "parameters", t);
    if (ms_banks_outline(&banks, ckpt, err) != MS_OK) return 1;
    t = record(3, "shapes of the experts", t);
    if (ms_groups_build(&groups, ckpt, err) != MS_OK) return 1;
    record(4, "folding", t);
    record(5, "all of it", begin);
    ms_banks_free(&banks);
    t = now();
    if (ms_banks_from_family(&banks, ckpt, err) != MS_OK) return 1;
    record(6, "(banks with their matrices)", t);
    ms_groups_free(&groups), ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    return 0;
}

int main(int argc, char **argv) {
    ms_err err = {0};
    if (argc < 2) return 2;
    for (int round = argc > 2 ? atoi(argv[2]) : 3; round > 0; round--)
        if (one_round(argv[1], &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    for (size_t i = 0; steps[i].name; i++) printf("%-28s %8.1f ms\n", steps[i].name, steps[i].best);
    return 0;
}
