#include "lookahead.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "test.h"

enum { N_BYTES = 1000 };

/* A source that counts how often each of its bytes was asked for and dropped. */
typedef struct counting {
    ms_source base;
    int asked[N_BYTES], dropped[N_BYTES];
} counting;

static void count_asked(ms_source *self, uint64_t offset, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) ((counting *)self)->asked[offset + i]++;
}

static void count_dropped(ms_source *self, uint64_t offset, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) ((counting *)self)->dropped[offset + i]++;
}

static const ms_source_ops counting_ops = {.will_need = count_asked, .drop = count_dropped};

static counting counting_source(void) {
    return (counting){.base = {.ops = &counting_ops, .size = N_BYTES, .path = "counting"}};
}

/* Whatever the ranges, the window and the order of moves: every byte of the plan is asked for once at most and before reading
 * comes to it, nothing else is, and nothing is dropped that is not a window behind. */
PROPERTY(lookahead_asks_for_each_byte_once_and_in_time, 300) {
    counting s[2] = {counting_source(), counting_source()};
    ms_range ranges[8];
    struct {
        int source;
        uint64_t offset;
    } plan[4000];
    const size_t n_ranges = gen_below(g, 9);
    size_t n_total = 0, at[2] = {0, 0};
    for (size_t i = 0; i < n_ranges; i++) { /* disjoint, in rising order within each source */
        const int k = (int)gen_below(g, 2);
        const size_t offset = at[k] + gen_below(g, 20), n = gen_below(g, 100);
        at[k] = offset + n;
        ranges[i] = (ms_range){&s[k].base, offset, n};
        for (size_t j = 0; j < n; j++) plan[n_total].source = k, plan[n_total++].offset = offset + j;
    }
    const uint64_t window = 1 + gen_below(g, 200);
    const bool drops = gen_below(g, 2) == 0;
    const ms_lookahead_options options = {.window = window, .memory = drops ? 1 : 1u << 20};
    ms_lookahead *ahead;
    CHECK_EQ_I64(ms_lookahead_create(&ahead, ranges, n_ranges, &options, NULL), MS_OK);

    for (size_t position = 0; position < n_total; position += gen_below(g, 50)) {
        ms_lookahead_move(ahead, position);
        if (position > 10) ms_lookahead_move(ahead, position - 10); /* a late worker */
        for (size_t i = 0; i < n_total; i++) {
            const counting *const c = &s[plan[i].source];
            const int asked = c->asked[plan[i].offset], dropped = c->dropped[plan[i].offset];
            CHECK(asked <= 1 && dropped <= 1);
            if (i < position + window - window / 4) CHECK(asked == 1);
            if (i >= position + window) CHECK(asked == 0);
            if (i + window >= position) CHECK(dropped == 0);
            if (drops && position > window && i + window + window / 4 < position) CHECK(dropped == 1);
            if (!drops) CHECK(dropped == 0);
        }
    }
    const ms_lookahead_state state = ms_lookahead_state_of(ahead);
    CHECK_EQ_I64(state.n_total, n_total);
    CHECK_EQ_I64(state.drops, drops && n_total > 0);
    ms_lookahead_destroy(ahead);

    size_t n_asked = 0;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < N_BYTES; i++) n_asked += (size_t)s[k].asked[i];
    CHECK_EQ_I64(n_asked, state.n_requested);
}

TEST(lookahead_takes_what_does_not_fit_and_no_memory) {
    ms_lookahead *ahead;
    const ms_range ranges[] = {{NULL, 0, 0}};
    for (int k = 1; k <= 2; k++) {
        ms_mem_fail_at(k);
        const ms_status status = ms_lookahead_create(&ahead, ranges, 1, NULL, NULL);
        ms_mem_fail_at(0);
        CHECK_EQ_I64(status, MS_ERR_MEMORY);
    }
    CHECK_EQ_I64(ms_lookahead_create(&ahead, ranges, 1, NULL, NULL), MS_OK);
    ms_lookahead_move(ahead, UINT64_MAX);
    CHECK(!ms_lookahead_state_of(ahead).drops);
    ms_lookahead_destroy(ahead);
    ms_lookahead_destroy(NULL);
}
