/* Any bytes as a pickle, and the tree of tensors in it. */
#include "fuzz.h"
#include "torch_judge.h"
#include "torch_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_pickle pickle;
    if (ms_pickle_read(&pickle, data, size, 0, NULL) != MS_OK) return 0;
    FUZZ_CHECK(pickle.root < pickle.nodes.n && pickle.n_bytes <= size);
    ms_notes notes = {0};
    for (int lenient = 0; lenient < 2; lenient++) {
        const ms_broken_rules rules = {.path = "fuzz.pt", .lenient = lenient, .notes = &notes};
        ms_torch_tree tree;
        if (ms_torch_tree_build(&tree, &pickle, NULL, &rules, NULL) == MS_OK) ms_torch_tree_free(&tree);
        ms_buf refused = {0};
        ms_torch_verdict verdict = {.weights_only = true, .refused = {.buf = &refused}};
        FUZZ_CHECK(ms_torch_judge(&verdict, &pickle, &rules, 0, NULL) == MS_OK);
        ms_buf_free(&refused);
    }
    ms_notes_free(&notes);
    ms_pickle_free(&pickle);
    return 0;
}
