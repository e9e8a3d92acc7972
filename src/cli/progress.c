#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "str.h"
#include "term.h"

static const int64_t NS = 1000000000, REDRAW = 100000000; /* ten a second */
static const double SMOOTHING = 2.0;                      /* seconds over which the rate is averaged */

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

void ms_progress_init(ms_progress *p, bool enabled, bool unicode, bool color, int columns) {
    *p = (ms_progress){.enabled = enabled, .unicode = unicode, .color = color, .columns = columns};
    pthread_mutex_init(&p->lock, NULL);
    atomic_store(&p->drawn_at, INT64_MAX);
}

void ms_progress_begin(ms_progress *p, const char *label, uint64_t total) {
    ms_progress_end(p);
    if (!p->enabled) return;
    snprintf(p->label, sizeof p->label, "%s", label);
    p->total = total;
    p->rate = 0;
    p->rate_done = 0;
    p->began_at = p->rate_at = now();
    atomic_store(&p->done, 0);
    atomic_store(&p->drawn_at, p->began_at); /* nothing is drawn for commands that end within a tenth of a second */
}

/* "3.49", "12.3", "128" */
static void three_digits(char out[16], double x) { snprintf(out, 16, "%.*f", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x); }

static double unit_of(double bytes, const char **name) {
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
    double unit = 1;
    size_t i = 0;
    for (; bytes >= 999.5 * unit && i + 1 < sizeof names / sizeof names[0]; i++) unit *= 1000;
    *name = names[i];
    return unit;
}

static void put_bar(char *out, size_t size, const ms_progress *p, double share, int cells) {
    const char *const full = p->unicode ? "\u2501" : "#", *const empty = p->unicode ? "\u2500" : "-";
    const int n_full = (int)(share * cells);
    size_t used = (size_t)snprintf(out, size, "%s", ms_term_style(p->color, MS_STYLE_ACCENT));
    for (int i = 0; i < cells && used + 8 < size; i++) {
        if (i == n_full) used += (size_t)snprintf(out + used, size - used, "%s", ms_term_style(p->color, MS_STYLE_PLAIN));
        used += (size_t)snprintf(out + used, size - used, "%s", i < n_full ? full : empty);
    }
    if (used < size) snprintf(out + used, size - used, "%s", ms_term_style(p->color, MS_STYLE_PLAIN));
}

static void put_time(char out[32], double seconds) {
    if (!(seconds >= 0) || seconds > 359999) {
        out[0] = 0;
        return;
    }
    const int64_t s = (int64_t)ceil(seconds);
    if (s >= 3600) snprintf(out, 32, "   %d:%02d:%02d left", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else snprintf(out, 32, "   %d:%02d left", (int)(s / 60), (int)(s % 60));
}

void ms_progress_format(char *out, size_t size, const ms_progress *p, uint64_t done, double rate, double left) {
    char done_text[16], total_text[16], rate_text[16], time_text[32], numbers[160], bar[512] = "";
    const char *unit, *rate_unit;
    const double factor = unit_of((double)(p->total ? p->total : done), &unit), rate_factor = unit_of(rate, &rate_unit);
    three_digits(done_text, (double)done / factor);
    three_digits(total_text, (double)p->total / factor);
    three_digits(rate_text, rate / rate_factor);
    put_time(time_text, left);
    const double share = p->total ? fmin(1, (double)done / (double)p->total) : 0;
    if (p->total)
        snprintf(numbers, sizeof numbers, "%3d %%   %s of %s %s   %s %s/s%s", (int)(share * 100), done_text, total_text, unit,
                 rate_text, rate_unit, time_text);
    else snprintf(numbers, sizeof numbers, "%s %s   %s %s/s", done_text, unit, rate_text, rate_unit);

    /* The bar takes what is left of the line, 8 to 40 cells, or goes; then the numbers are cut. */
    const int taken = (int)strlen(p->label) + 2 + (int)strlen(numbers) + 2, cells = p->columns - 1 - taken;
    if (p->total && cells >= 8) put_bar(bar, sizeof bar, p, share, cells > 40 ? 40 : cells);
    const int n = snprintf(out, size, "%s  %s%s%s", p->label, bar, *bar ? "  " : "", numbers);
    if (!*bar && n > p->columns - 1 && p->columns >= 1 && (size_t)p->columns <= size) out[p->columns - 1] = 0;
}

/* lock is held. */
static void draw(ms_progress *p, int64_t at) {
    const uint64_t done = atomic_load(&p->done);
    const double seconds = (double)(at - p->rate_at) / 1e9;
    const double latest = seconds > 0 ? (double)(done - p->rate_done) / seconds : 0;
    const double weight = p->rate_done == 0 ? 1 : 1 - exp(-seconds / SMOOTHING);
    p->rate += weight * (latest - p->rate);
    p->rate_done = done;
    p->rate_at = at;

    const double left = p->rate > 0 && p->total > done ? (double)(p->total - done) / p->rate : p->total ? 0 : -1;
    char line[1024], text[1100];
    ms_progress_format(line, sizeof line, p, done, p->rate, left);
    const int n = snprintf(text, sizeof text, "\r\x1b[K%s", line);
    ms_interrupt_line_open(true);
    if (write(STDERR_FILENO, text, (size_t)n) < 0) p->enabled = false;
}

void ms_progress_add(ms_progress *p, uint64_t n_bytes) {
    atomic_fetch_add_explicit(&p->done, n_bytes, memory_order_relaxed);
    const int64_t last = atomic_load_explicit(&p->drawn_at, memory_order_relaxed);
    if (last == INT64_MAX) return;
    const int64_t at = now();
    if (at - last < REDRAW || pthread_mutex_trylock(&p->lock) != 0) return;
    if (p->enabled && at - atomic_load(&p->drawn_at) >= REDRAW) {
        atomic_store(&p->drawn_at, at);
        draw(p, at);
    }
    pthread_mutex_unlock(&p->lock);
}

void ms_progress_hide(ms_progress *p) {
    if (!p->enabled) return;
    pthread_mutex_lock(&p->lock);
    if (atomic_load(&p->drawn_at) != INT64_MAX && write(STDERR_FILENO, "\r\x1b[K", 4) < 0) p->enabled = false;
    ms_interrupt_line_open(false);
    pthread_mutex_unlock(&p->lock);
}

void ms_progress_end(ms_progress *p) {
    ms_progress_hide(p);
    atomic_store(&p->drawn_at, INT64_MAX);
}
