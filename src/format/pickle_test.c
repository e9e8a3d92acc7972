#include "pickle.h"

#include "broken.h"
#include "test.h"
#include "torch_judge.h"
#include "torch_tree.h"

/* Python: pickle.dumps({"a": [1, -2, 300, 70000, -5000000000, 2**70, 1.5, None, True, False], "b": ("x", "\u00e9", b"\0\xff",
 * ()), "c": {"d": {1: 2}}, "s": {3}}, protocol) */
static const uint8_t protocol_0[] = {
    40,  100, 112, 48,  10,  86,  97,  10,  112, 49,  10,  40,  108, 112, 50,  10, 73, 49,  10,  97,  73,  45,  50,  10,
    97,  73,  51,  48,  48,  10,  97,  73,  55,  48,  48,  48,  48,  10,  97,  76, 45, 53,  48,  48,  48,  48,  48,  48,
    48,  48,  48,  76,  10,  97,  76,  49,  49,  56,  48,  53,  57,  49,  54,  50, 48, 55,  49,  55,  52,  49,  49,  51,
    48,  51,  52,  50,  52,  76,  10,  97,  70,  49,  46,  53,  10,  97,  78,  97, 73, 48,  49,  10,  97,  73,  48,  48,
    10,  97,  115, 86,  98,  10,  112, 51,  10,  40,  86,  120, 10,  112, 52,  10, 86, 233, 10,  112, 53,  10,  99,  95,
    99,  111, 100, 101, 99,  115, 10,  101, 110, 99,  111, 100, 101, 10,  112, 54, 10, 40,  86,  92,  117, 48,  48,  48,
    48,  255, 10,  112, 55,  10,  86,  108, 97,  116, 105, 110, 49,  10,  112, 56, 10, 116, 112, 57,  10,  82,  112, 49,
    48,  10,  40,  116, 116, 112, 49,  49,  10,  115, 86,  99,  10,  112, 49,  50, 10, 40,  100, 112, 49,  51,  10,  86,
    100, 10,  112, 49,  52,  10,  40,  100, 112, 49,  53,  10,  73,  49,  10,  73, 50, 10,  115, 115, 115, 86,  115, 10,
    112, 49,  54,  10,  99,  95,  95,  98,  117, 105, 108, 116, 105, 110, 95,  95, 10, 115, 101, 116, 10,  112, 49,  55,
    10,  40,  40,  108, 112, 49,  56,  10,  73,  51,  10,  97,  116, 112, 49,  57, 10, 82,  112, 50,  48,  10,  115, 46};
static const uint8_t protocol_1[] = {
    125, 113, 0,   40,  88,  1,   0,  0,   0,   97,  113, 1,   93, 113, 2,   40,  75,  1,   74,  254, 255, 255, 255, 77,
    44,  1,   74,  112, 17,  1,   0,  76,  45,  53,  48,  48,  48, 48,  48,  48,  48,  48,  48,  76,  10,  76,  49,  49,
    56,  48,  53,  57,  49,  54,  50, 48,  55,  49,  55,  52,  49, 49,  51,  48,  51,  52,  50,  52,  76,  10,  71,  63,
    248, 0,   0,   0,   0,   0,   0,  78,  73,  48,  49,  10,  73, 48,  48,  10,  101, 88,  1,   0,   0,   0,   98,  113,
    3,   40,  88,  1,   0,   0,   0,  120, 113, 4,   88,  2,   0,  0,   0,   195, 169, 113, 5,   99,  95,  99,  111, 100,
    101, 99,  115, 10,  101, 110, 99, 111, 100, 101, 10,  113, 6,  40,  88,  3,   0,   0,   0,   0,   195, 191, 113, 7,
    88,  6,   0,   0,   0,   108, 97, 116, 105, 110, 49,  113, 8,  116, 113, 9,   82,  113, 10,  41,  116, 113, 11,  88,
    1,   0,   0,   0,   99,  113, 12, 125, 113, 13,  88,  1,   0,  0,   0,   100, 113, 14,  125, 113, 15,  75,  1,   75,
    2,   115, 115, 88,  1,   0,   0,  0,   115, 113, 16,  99,  95, 95,  98,  117, 105, 108, 116, 105, 110, 95,  95,  10,
    115, 101, 116, 10,  113, 17,  40, 93,  113, 18,  75,  3,   97, 116, 113, 19,  82,  113, 20,  117, 46};
static const uint8_t protocol_2[] = {
    128, 2,   125, 113, 0,   40,  88,  1,   0,   0,   0,   97,  113, 1,   93,  113, 2,   40,  75,  1,   74,  254, 255, 255,
    255, 77,  44,  1,   74,  112, 17,  1,   0,   138, 5,   0,   14,  250, 213, 254, 138, 9,   0,   0,   0,   0,   0,   0,
    0,   0,   64,  71,  63,  248, 0,   0,   0,   0,   0,   0,   78,  136, 137, 101, 88,  1,   0,   0,   0,   98,  113, 3,
    40,  88,  1,   0,   0,   0,   120, 113, 4,   88,  2,   0,   0,   0,   195, 169, 113, 5,   99,  95,  99,  111, 100, 101,
    99,  115, 10,  101, 110, 99,  111, 100, 101, 10,  113, 6,   88,  3,   0,   0,   0,   0,   195, 191, 113, 7,   88,  6,
    0,   0,   0,   108, 97,  116, 105, 110, 49,  113, 8,   134, 113, 9,   82,  113, 10,  41,  116, 113, 11,  88,  1,   0,
    0,   0,   99,  113, 12,  125, 113, 13,  88,  1,   0,   0,   0,   100, 113, 14,  125, 113, 15,  75,  1,   75,  2,   115,
    115, 88,  1,   0,   0,   0,   115, 113, 16,  99,  95,  95,  98,  117, 105, 108, 116, 105, 110, 95,  95,  10,  115, 101,
    116, 10,  113, 17,  93,  113, 18,  75,  3,   97,  133, 113, 19,  82,  113, 20,  117, 46};
static const uint8_t protocol_3[] = {
    128, 3,   125, 113, 0,   40,  88,  1,   0,  0,   0,   97, 113, 1,   93,  113, 2,   40, 75,  1,   74,  254, 255, 255,
    255, 77,  44,  1,   74,  112, 17,  1,   0,  138, 5,   0,  14,  250, 213, 254, 138, 9,  0,   0,   0,   0,   0,   0,
    0,   0,   64,  71,  63,  248, 0,   0,   0,  0,   0,   0,  78,  136, 137, 101, 88,  1,  0,   0,   0,   98,  113, 3,
    40,  88,  1,   0,   0,   0,   120, 113, 4,  88,  2,   0,  0,   0,   195, 169, 113, 5,  67,  2,   0,   255, 113, 6,
    41,  116, 113, 7,   88,  1,   0,   0,   0,  99,  113, 8,  125, 113, 9,   88,  1,   0,  0,   0,   100, 113, 10,  125,
    113, 11,  75,  1,   75,  2,   115, 115, 88, 1,   0,   0,  0,   115, 113, 12,  99,  98, 117, 105, 108, 116, 105, 110,
    115, 10,  115, 101, 116, 10,  113, 13,  93, 113, 14,  75, 3,   97,  133, 113, 15,  82, 113, 16,  117, 46};
static const uint8_t protocol_4[] = {
    128, 4,   149, 108, 0,   0,  0,   0,   0,   0,   0,   125, 148, 40,  140, 1,   97,  148, 93,  148, 40,  75,  1,   74,
    254, 255, 255, 255, 77,  44, 1,   74,  112, 17,  1,   0,   138, 5,   0,   14,  250, 213, 254, 138, 9,   0,   0,   0,
    0,   0,   0,   0,   0,   64, 71,  63,  248, 0,   0,   0,   0,   0,   0,   78,  136, 137, 101, 140, 1,   98,  148, 40,
    140, 1,   120, 148, 140, 2,  195, 169, 148, 67,  2,   0,   255, 148, 41,  116, 148, 140, 1,   99,  148, 125, 148, 140,
    1,   100, 148, 125, 148, 75, 1,   75,  2,   115, 115, 140, 1,   115, 148, 143, 148, 40,  75,  3,   144, 117, 46};
static const uint8_t protocol_5[] = {
    128, 5,   149, 108, 0,   0,  0,   0,   0,   0,   0,   125, 148, 40,  140, 1,   97,  148, 93,  148, 40,  75,  1,   74,
    254, 255, 255, 255, 77,  44, 1,   74,  112, 17,  1,   0,   138, 5,   0,   14,  250, 213, 254, 138, 9,   0,   0,   0,
    0,   0,   0,   0,   0,   64, 71,  63,  248, 0,   0,   0,   0,   0,   0,   78,  136, 137, 101, 140, 1,   98,  148, 40,
    140, 1,   120, 148, 140, 2,  195, 169, 148, 67,  2,   0,   255, 148, 41,  116, 148, 140, 1,   99,  148, 125, 148, 140,
    1,   100, 148, 125, 148, 75, 1,   75,  2,   115, 115, 140, 1,   115, 148, 143, 148, 40,  75,  3,   144, 117, 46};
static const uint8_t evil[] = {128, 2, 99, 112, 111, 115, 105, 120, 10,  115, 121, 115, 116, 101, 109, 10,  113, 0,
                               88,  4, 0,  0,   0,   116, 114, 117, 101, 113, 1,   133, 113, 2,   82,  113, 3,   46};
static const uint8_t cyclic[] = {128, 4, 149, 6, 0, 0, 0, 0, 0, 0, 0, 93, 148, 104, 0, 97, 46};

static void check_object(const uint8_t *bytes, size_t n, int protocol) {
    ms_pickle p;
    ms_err err = {0};
    CHECK_OK(ms_pickle_read(&p, bytes, n, 0, &err), &err);
    CHECK_EQ_I64(p.n_bytes, n);
    const ms_pref a = ms_pickle_get(&p, p.root, "a"), b = ms_pickle_get(&p, p.root, "b");
    static const int64_t integers[] = {1, -2, 300, 70000, -5000000000};
    for (size_t i = 0; i < 5; i++) {
        int64_t value;
        CHECK_MSG(ms_pickle_int(&p, ms_pickle_item(&p, a, i), &value) && value == integers[i], "protocol %d, item %zu",
                  protocol, i);
    }
    CHECK(ms_pickle_node(&p, ms_pickle_item(&p, a, 5))->kind == MS_PNODE_BIG_INT);
    CHECK_NEAR(ms_pickle_node(&p, ms_pickle_item(&p, a, 6))->real, 1.5, 0);
    CHECK(ms_pickle_node(&p, ms_pickle_item(&p, a, 7))->kind == MS_PNODE_NONE);
    CHECK(ms_pickle_node(&p, ms_pickle_item(&p, a, 8))->boolean && !ms_pickle_node(&p, ms_pickle_item(&p, a, 9))->boolean);
    CHECK_EQ_STR(ms_pickle_text(&p, ms_pickle_item(&p, b, 0)), "x");
    if (protocol >= 1) CHECK_EQ_STR(ms_pickle_text(&p, ms_pickle_item(&p, b, 1)), "\xC3\xA9");
    if (protocol >= 3) CHECK_EQ_I64(ms_pickle_text(&p, ms_pickle_item(&p, b, 2)).size, 2);
    CHECK(ms_pickle_get(&p, ms_pickle_get(&p, p.root, "c"), "d") != MS_PREF_NONE);
    CHECK(ms_pickle_get(&p, p.root, "z") == MS_PREF_NONE);
    ms_pickle_free(&p);
}

TEST(pickles_of_all_protocols_are_read_as_data) {
    check_object(protocol_0, sizeof protocol_0, 0);
    check_object(protocol_1, sizeof protocol_1, 1);
    check_object(protocol_2, sizeof protocol_2, 2);
    check_object(protocol_3, sizeof protocol_3, 3);
    check_object(protocol_4, sizeof protocol_4, 4);
    check_object(protocol_5, sizeof protocol_5, 5);
}

TEST(a_call_in_a_pickle_is_a_node_and_a_finding) {
    ms_pickle p;
    ms_err err = {0};
    ms_notes notes = {0};
    CHECK_OK(ms_pickle_read(&p, evil, sizeof evil, 0, &err), &err);
    CHECK(ms_pickle_node(&p, p.root)->kind == MS_PNODE_CALL);
    CHECK_EQ_I64(p.n_globals, 1);
    const ms_broken_rules rules = {.path = "evil.pt", .notes = &notes};
    ms_buf refused = {0};
    ms_torch_verdict verdict = {.weights_only = true, .refused = {.buf = &refused}};
    CHECK_OK(ms_torch_judge(&verdict, &p, &rules, 0, &err), &err);
    CHECK(!verdict.weights_only);
    CHECK_EQ_TEXT(refused.bytes, "{\"name\": \"posix.system\", \"offset\": 2, \"dangerous\": true}");
    ms_buf_free(&refused);
    CHECK(notes.n == 1 && notes.items[0].severity == MS_NOTE_ERROR && notes.items[0].offset == 2);
    CHECK(strstr(notes.items[0].message.text, "posix.system"));
    ms_notes_free(&notes);
    ms_pickle_free(&p);
}

TEST(a_list_that_holds_itself_is_walked_once) {
    ms_pickle p;
    ms_torch_tree tree;
    ms_err err = {0};
    const ms_broken_rules rules = {.path = "cycle.pt"};
    CHECK_OK(ms_pickle_read(&p, cyclic, sizeof cyclic, 0, &err), &err);
    CHECK_OK(ms_torch_tree_build(&tree, &p, NULL, &rules, &err), &err);
    CHECK_EQ_I64(tree.tensors.n, 0);
    ms_torch_tree_free(&tree);
    ms_pickle_free(&p);
}

TEST(hostile_pickles_are_refused_with_the_byte) {
    static const struct {
        const char *bytes;
        size_t n;
        ms_status want;
        const char *part;
    } cases[] = {
        {"", 0, MS_ERR_DAMAGED, "before STOP"},
        {".", 1, MS_ERR_DAMAGED, "stack is empty"},
        {"(.", 2, MS_ERR_DAMAGED, "stack is empty"},
        {"h\x05.", 3, MS_ERR_DAMAGED, "memo number"},
        {"X\xFF\xFF\xFF\xFF", 5, MS_ERR_DAMAGED, "longer than what is left"},
        {"\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9, MS_ERR_DAMAGED, "longer than what is left"},
        {"\xFE.", 2, MS_ERR_DAMAGED, "no such opcode"},
        {"\x80\x09N.", 4, MS_ERR_DAMAGED, "protocols 0 to 5"},
        {"\x82\x01.", 3, MS_ERR_UNSUPPORTED, "extension codes"},
        {"]NNs.", 5, MS_ERR_DAMAGED, "holds none"},
        {"(NNNd.", 6, MS_ERR_DAMAGED, "odd number"},
        {"u.", 2, MS_ERR_DAMAGED, "no mark"},
        {"Iabc\n.", 6, MS_ERR_DAMAGED, "not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_pickle p;
        ms_err err = {0};
        CHECK_FAILS(ms_pickle_read(&p, cases[i].bytes, cases[i].n, 0, &err), cases[i].want, &err, cases[i].part);
    }
}

/* Doubling by the memo: 2^40 items if it were expanded. */
TEST(sharing_that_would_explode_stays_small) {
    uint8_t bytes[600];
    size_t n = 0;
    bytes[n++] = 'N';
    for (int i = 0; i < 40; i++) bytes[n++] = '2', bytes[n++] = 0x86; /* DUP TUPLE2 */
    bytes[n++] = '.';
    ms_pickle p;
    ms_torch_tree tree;
    ms_err err = {0};
    const ms_broken_rules rules = {.path = "bomb.pt"};
    CHECK_OK(ms_pickle_read(&p, bytes, n, 0, &err), &err);
    CHECK(p.nodes.n < 100);
    CHECK_OK(ms_torch_tree_build(&tree, &p, NULL, &rules, &err), &err);
    ms_torch_tree_free(&tree);
    ms_pickle_free(&p);
}

TEST(every_prefix_of_a_pickle_is_refused) {
    for (size_t n = 0; n < sizeof protocol_4; n++) {
        ms_pickle p;
        ms_err err = {0};
        CHECK_FAILS(ms_pickle_read(&p, protocol_4, n, 0, &err), MS_ERR_DAMAGED, &err, "byte");
    }
}
