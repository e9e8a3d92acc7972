#include "progress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"
#include "test.h"
#include "width.h"

static void line(char out[256], int columns, bool unicode, uint64_t total, uint64_t done, double rate, double left) {
    ms_progress p;
    ms_progress_init(&p, false, unicode, false, columns);
    snprintf(p.label, sizeof p.label, "collect");
    p.total = total;
    ms_progress_format(out, 256, &p, done, rate, left);
}

TEST(progress_says_share_amount_rate_and_time) {
    char text[256];
    line(text, 100, false, 3490000000, 1640000000, 2.1e9, 0.9);
    CHECK_EQ_TEXT(text, "collect  ##################----------------------   46 %   1.64 of 3.49 GB   2.10 GB/s   0:01 left");
    line(text, 100, false, 0, 1640000000, 2.1e9, -1);
    CHECK_EQ_TEXT(text, "collect  1.64 GB   2.10 GB/s");
    line(text, 100, false, 999499, 0, 0, 3661);
    CHECK_EQ_TEXT(text, "collect  ----------------------------------------    0 %   0.00 of 999 kB   0.00 B/s   1:01:01 left");
}

TEST(progress_counts_units_as_they_are_read) {
    char text[256];
    line(text, 40, false, 12345678, 12345678, 99950000, 0);
    CHECK_EQ_TEXT(text, "collect  100 %   12.3 of 12.3 MB   100 ");
    line(text, 200, false, 1000, 500, 1, 500);
    CHECK(strstr(text, "0.50 of 1.00 kB   1.00 B/s   8:20 left"));
}

PROPERTY(progress_fits_the_line, 500) {
    char text[256];
    const uint64_t total = gen_u64(g) >> gen_below(g, 64), done = total ? gen_u64(g) % total : gen_u64(g) >> 8;
    const int columns = 20 + (int)gen_below(g, 160);
    line(text, columns, gen_below(g, 2), total, done, gen_unit(g) * 1e11, gen_unit(g) * 1e6 - 1e5);
    CHECK_MSG((int)ms_width_of(ms_str_of(text)) < columns, "%d columns: '%s'", columns, text);
    CHECK(ms_str_is_utf8(ms_str_of(text), NULL));
}

static ms_status add_a_little(void *context, size_t item, int worker, ms_err *err) {
    (void)item, (void)worker, (void)err;
    ms_progress_add(context, 1000);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return MS_OK;
}

/* What a terminal gets in about a third of a second of steady work by four threads: a few redraws, the last of which is
 * cleared. */
TEST(progress_draws_ten_times_a_second_and_clears_its_line) {
    int terminal, stderr_before;
    char got[8192];
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || access(ptsname(master), F_OK) != 0) return; /* a sandbox without terminals */
    CHECK(unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(terminal >= 0);
    fflush(stderr);
    stderr_before = dup(STDERR_FILENO);
    dup2(terminal, STDERR_FILENO);

    ms_progress p;
    ms_progress_init(&p, true, false, false, 80);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ms_progress_begin(&p, "collect", 1000000);
    ms_pool *pool = NULL;
    const ms_status status = ms_pool_create(&pool, 4, NULL);
    if (status == MS_OK) CHECK(ms_pool_run(pool, 1000, add_a_little, &p, NULL, NULL) == MS_OK);
    ms_pool_destroy(pool);
    ms_progress_end(&p);
    ms_progress_end(&p);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;

    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before), close(terminal);
    size_t n = 0; /* in pieces, until the other end is closed */
    for (ssize_t piece; n < sizeof got - 1 && (piece = read(master, got + n, sizeof got - 1 - n)) > 0;) n += (size_t)piece;
    close(master);
    CHECK(n > 0);
    got[n] = 0;
    int n_drawn = 0;
    for (const char *at = got; (at = strstr(at, "\r\x1b[Kcollect  ")); at++) n_drawn++;
    CHECK(status == MS_OK);
    CHECK_MSG(n_drawn >= 1 && n_drawn <= 10 * seconds, "%d redraws in %.2f s", n_drawn, seconds);
    CHECK(n >= 4 && memcmp(got + n - 4, "\r\x1b[K", 4) == 0);
    CHECK(!strchr(got, '\n'));
}

TEST(progress_is_silent_where_it_is_not_wanted) {
    ms_progress p;
    ms_progress_init(&p, false, false, false, 80);
    ms_progress_begin(&p, "collect", 1000);
    ms_progress_add(&p, 1000);
    ms_progress_hide(&p);
    ms_progress_end(&p);
    CHECK(!p.enabled);
}
