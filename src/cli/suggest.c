#include "suggest.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_WORD = 63, FAR = 99 };

static int least(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment: Levenshtein, and neighbours may change places (once). rows: i-2, i-1, i of the usual matrix. */
int ms_suggest_distance(const char *a, const char *b) {
    const size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a > MAX_WORD || n_b > MAX_WORD) return FAR;
    int rows[3][MAX_WORD + 1];
    for (size_t j = 0; j <= n_b; j++) rows[0][j] = (int)j;
    for (size_t i = 1; i <= n_a; i++) {
        int *const row = rows[i % 3], *const above = rows[(i + 2) % 3], *const above_that = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= n_b; j++) {
            const int change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = least(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

const char *ms_suggest(const char *typed, const char *const *words, size_t n) {
    const size_t n_typed = strlen(typed);
    const char *best = NULL;
    int best_distance = FAR;
    for (size_t i = 0; i < n; i++) {
        if (!words[i]) continue;
        int distance = ms_suggest_distance(typed, words[i]);
        const size_t n_word = strlen(words[i]), longer = n_word > n_typed ? n_word : n_typed;
        const bool begins = n_typed >= 3 && n_word > n_typed && strncmp(typed, words[i], n_typed) == 0;
        if (begins) distance = 1; /* an abbreviation: as good as one wrong letter */
        else if (distance > least(longer < 6 ? 1 : (int)longer / 3, (int)longer - 1)) continue;
        if (distance < best_distance) best = words[i], best_distance = distance;
    }
    return best;
}
