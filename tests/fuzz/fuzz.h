/*
 * fuzz: what fuzz targets share. A target is one file FOO_fuzz.c with
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { ...; FUZZ_CHECK(round_trip_equal); return 0; }
 *
 * and a function foo() in make_corpus.py, which writes its seeds to corpus/foo/. Under the fuzz preset it becomes a libFuzzer
 * program (build/fuzz/foo_fuzz -max_total_time=120 WORK_FOLDER tests/fuzz/corpus/foo); elsewhere replay_main.c runs it over
 * the corpus in every test run.
 */
#ifndef MS_FUZZ_H
#define MS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                 \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

#endif
