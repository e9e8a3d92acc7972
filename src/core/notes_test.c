#include "notes.h"

#include "test.h"

TEST(notes_keep_their_order_and_are_counted_by_severity) {
    ms_notes notes = {0};
    char name[] = "file";
    ms_notes_add(&notes, MS_NOTE_INFO, "a", ms_str_of(name), MS_STR("t"), 7, "%d of %s", 3, "these");
    name[0] = 'x'; /* notes keep copies */
    ms_notes_add(&notes, MS_NOTE_ERROR, "b", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET, "broken");
    CHECK_EQ_I64(notes.n, 2);
    CHECK_EQ_STR(notes.items[0].file, "file");
    CHECK_EQ_STR(notes.items[0].message, "3 of these");
    CHECK_EQ_I64(ms_notes_count(&notes, MS_NOTE_INFO), 2);
    CHECK_EQ_I64(ms_notes_count(&notes, MS_NOTE_WARNING), 1);
    ms_notes_free(&notes);
}

TEST(notes_of_a_code_can_be_taken_back) {
    ms_notes notes = {0};
    for (int i = 0; i < 6; i++)
        ms_notes_add(&notes, MS_NOTE_ERROR, i % 2 ? "b" : "a", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET, "%d", i);
    CHECK(!ms_notes_drop(&notes, "c"));
    CHECK(ms_notes_drop(&notes, "a"));
    CHECK_EQ_I64(notes.n, 3);
    CHECK_EQ_STR(notes.items[1].message, "3");
    CHECK(!ms_notes_drop(&notes, "a"));
    ms_notes_free(&notes);
}

TEST(a_million_notes_do_not_fill_the_memory) {
    ms_notes notes = {0};
    for (int i = 0; i < MS_NOTES_MOST + 5; i++) ms_notes_add(&notes, MS_NOTE_ERROR, "a", MS_STR("f"), MS_STR("t"), i, "x");
    CHECK_EQ_I64(notes.n, MS_NOTES_MOST);
    CHECK_EQ_I64(notes.omitted, 6);
    CHECK_EQ_TEXT(notes.items[MS_NOTES_MOST - 2].code, "a");
    CHECK_EQ_TEXT(notes.items[MS_NOTES_MOST - 1].code, "notes.more");
    ms_notes_free(&notes);
}
