/*
 * suggest: the word somebody probably meant.
 *
 *     const char *near = ms_suggest("inspcet", names, n_names);      // "inspect", or NULL when nothing is close
 */
#ifndef MS_SUGGEST_H
#define MS_SUGGEST_H

#include <stddef.h>

/* Letters changed, left out, put in, or swapped with their neighbour, to get from a to b; 99 when longer than 63 bytes. */
int ms_suggest_distance(const char *a, const char *b);

/* The closest of words: [n], NULLs are passed over. At most a third of the letters may differ (or one), or one word begins with
 * the other; the first of equals wins. Borrowed from words. */
const char *ms_suggest(const char *typed, const char *const *words, size_t n);

#endif
