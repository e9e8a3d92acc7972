/* Any bytes as a pickle, and the tree of tensors in it. */
#include "fuzz.h"
#include "torch_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_pickle pickle;
    if (ms_pickle_read(&pickle, data, size, 0, NULL) != MS_OK) return 0;
    FUZZ_CHECK(pickle.root < pickle.nodes.n && pickle.n_bytes <= size);
    ms_notes notes = {0};
    for (int lenient = 0; lenient < 2; lenient++) {
        const ms_broken_rules rules = {.path = "fuzz.pt", .lenient = lenient, .notes = &notes};
        ms_torch_tree tree;
        if (ms_torch_tree_build(&tree, &pickle, &rules, NULL) == MS_OK) ms_torch_tree_free(&tree);
        ms_torch_tree_judge(&pickle, &rules, 0);
    }
    ms_notes_free(&notes);
    ms_pickle_free(&pickle);
    return 0;
}
