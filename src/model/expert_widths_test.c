#include "expert_widths.h"

#include "bank.h"
#include "make_file.h"

TEST(expert_widths_are_read) {
    static const struct {
        const char *text;
        size_t n;
        int64_t first, last;
    } cases[] = {{"128", 1, 128, 128}, {"2x384,128", 3, 384, 128}, {"1,2,3", 3, 1, 3}, {"4x2944,4x128", 8, 2944, 128}};
    ms_arena arena = {0};
    ms_expert_widths w;
    ms_err err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(ms_expert_widths_parse(&w, ms_str_of(cases[i].text), &arena, &err), &err);
        CHECK_EQ_I64(w.n, cases[i].n);
        CHECK(w.items[0] == cases[i].first && w.items[w.n - 1] == cases[i].last);
    }
    static const char *const bad[] = {
        "", "x", "4x", "x4", "0", "-1", "0x4", "3,", ",3", "1.5", "4x5x6", "99999999999x1", "70000x1", "2147483648"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(ms_expert_widths_parse(&w, ms_str_of(bad[i]), &arena, &err), MS_ERR_USAGE, &err,
                    "expected a list such as 4x2944,4x128");
    ms_arena_free(&arena);
}

TEST(expert_widths_are_rounded_only_where_that_fits) {
    static const int64_t items[] = {300, 100, 128};
    ms_expert_widths w = {.items = items, .n = 3};
    CHECK(ms_expert_widths_fit(&w, 528) && !w.rounded && ms_expert_width(&w, 0) == 300);
    CHECK(ms_expert_widths_fit(&w, 640) && w.rounded && ms_expert_width(&w, 0) == 384 && ms_expert_width(&w, 2) == 128);
    CHECK(!ms_expert_widths_fit(&w, 512));
}

/* A layer of a packed bank, S = 8 wide, and a router of two experts; what says the widths differs. */
typedef struct packed {
    const char *config, *widths; /* NULL: none */
    bool buffer;
} packed;

static ms_status open_packed(ms_checkpoint **out, ms_arena *arena, const packed *p, uint64_t length, ms_err *err) {
    const uint64_t up[] = {4, length}, down[] = {length, 4}, router[] = {2, 4}, two[] = {2};
    static const int32_t blocks[] = {2, 1};
    const ms_safetensors_tensor tensors[] = {
        make_f32(arena, "transformer.h.0.mlp.w1", 0, 2, up),
        make_f32(arena, "transformer.h.0.mlp.w2", 0, 2, down),
        make_f32(arena, "transformer.h.0.mlp.router.weight", 0, 2, router),
        {.name = MS_STR("transformer.h.0.mlp.expert_size_blocks"),
         .dtype = MS_DTYPE_I32,
         .rank = 1,
         .shape = two,
         .bytes = blocks},
    };
    ms_buf file = {0};
    const char *const folder = test_folder();
    make_safetensors(&file, tensors, p->buffer ? 4 : 3);
    const char *const path = make_file(arena, folder, "m.safetensors", file.bytes, file.size);
    if (p->config) make_file(arena, folder, "config.json", p->config, strlen(p->config));
    ms_buf_free(&file);
    return ms_checkpoint_open(out, path, &(ms_open_options){.expert_widths = ms_str_of(p->widths)}, err);
}

TEST(widths_of_packed_banks_come_from_the_user_the_config_a_buffer_or_equal_shares) {
    static const struct {
        packed how;
        uint64_t length, first; /* width of expert 0; 0: left out */
        const char *note;
    } cases[] = {
        {{NULL, NULL, false}, 8, 4, "bank.widths"},
        {{NULL, "6,2", false}, 8, 6, NULL},
        {{NULL, "6,3", false}, 8, 0, "bank.experts"},
        {{"{\"expert_sizes\": [[1, 5], [1, 3]]}", NULL, false}, 8, 5, NULL},
        {{"{\"expert_sizes\": [[1, 5], [1, 3]]}", "1,7", false}, 8, 1, NULL},
        {{"{\"expert_sizes\": null}", NULL, false}, 8, 4, NULL},
        {{NULL, NULL, true}, 384, 256, NULL},
        {{NULL, NULL, true}, 8, 0, "bank.experts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_arena arena = {0};
        ms_checkpoint *ckpt;
        ms_banks banks;
        ms_err err = {0};
        CHECK_OK(open_packed(&ckpt, &arena, &cases[i].how, cases[i].length, &err), &err);
        CHECK_OK(ms_banks_from_family(&banks, ckpt, &err), &err);
        uint64_t first = 0;
        for (size_t b = 0; b < banks.n; b++)
            if (ms_str_is(banks.items[b].proj, "up_proj")) first = banks.matrices.items[banks.items[b].first_matrix].rows;
        CHECK_MSG(first == cases[i].first, "case %zu: expert 0 is %llu wide", i, (unsigned long long)first);
        CHECK_MSG(cases[i].note ? banks.notes.n > 0 && strcmp(banks.notes.items[0].code, cases[i].note) == 0
                                : banks.notes.n == 0,
                  "case %zu: %zu notes", i, banks.notes.n);
        ms_banks_free(&banks);
        ms_checkpoint_close(ckpt);
        ms_arena_free(&arena);
    }
}
