#include "joined.h"

#include "make_file.h"
#include "mem.h"
#include "torture.h"

typedef struct three {
    ms_source *sources[3], *joined;
} three;

/* Three pieces of 1, 2 and 3 bytes a turn, four turns: "a" "bc" "def" of each. */
static ms_status open_three(three *t, ms_err *err) {
    static const char *const content[] = {"aeim", "xbcfgjkno", "DEFGHIJKLMNO"};
    ms_joined_piece pieces[3];
    ms_status status = MS_OK;
    *t = (three){0};
    for (size_t i = 0; i < 3 && status == MS_OK; i++) {
        status = ms_source_over_memory(&t->sources[i], content[i], strlen(content[i]), "p", err);
        pieces[i] = (ms_joined_piece){t->sources[i], i == 1, i + 1};
    }
    return status == MS_OK ? ms_source_over_joined(&t->joined, pieces, 3, 4, "joined", err) : status;
}

static void close_three(three *t) {
    ms_source_close(t->joined);
    for (size_t i = 0; i < 3; i++) ms_source_close(t->sources[i]);
}

TEST(joined_pieces_are_taken_in_turn_from_any_byte) {
    static const char whole[] = "abcDEFefgGHIijkJKLmnoMNO";
    three t;
    ms_err err;
    ms_scratch scratch = {0};
    CHECK_OK(open_three(&t, &err), &err);
    CHECK_EQ_I64(t.joined->size, 24);
    for (size_t from = 0; from <= 24; from++)
        for (size_t n = 0; from + n <= 24; n++) {
            const void *bytes;
            CHECK_OK(ms_source_view(t.joined, from, n, &scratch, &bytes, &err), &err);
            CHECK(memcmp(bytes, whole + from, n) == 0);
        }
    ms_source_will_need(t.joined, 3, 9);
    ms_scratch_free(&scratch);
    close_three(&t);
}

static ms_status open_and_view(void *context, ms_err *err) {
    three t;
    ms_scratch scratch = {0};
    const void *bytes;
    (void)context;
    ms_status status = open_three(&t, err);
    if (status == MS_OK) status = ms_source_view(t.joined, 2, 9, &scratch, &bytes, err);
    ms_scratch_free(&scratch);
    close_three(&t);
    return status;
}

TEST(joined_survives_failing_allocations_and_reads) {
    CHECK_SURVIVES_MEMORY(open_and_view, NULL);
    CHECK_SURVIVES_READS(open_and_view, NULL);
}
