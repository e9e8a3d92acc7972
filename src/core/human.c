#include "human.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* value, at least 0, to n_digits significant digits: as many decimals as leave that many. */
static void fixed(char *text, size_t size, double value, int n_digits) {
    const int n_whole = value >= 100 ? 3 : value >= 10 ? 2 : 1;
    snprintf(text, size, "%.*f", n_digits - n_whole, value);
    const int n_shown = (int)strcspn(text, ".");
    if (n_shown > n_whole && n_shown <= 3) snprintf(text, size, "%.*f", n_digits - n_shown, value); /* 9.9996 is 10.00 */
}

/* In the largest unit that leaves 1 or more; units: [n_units], a thousand apart. */
static ms_human scaled(double value, int n_digits, const char *const *units, size_t n_units) {
    ms_human out;
    size_t unit = 0;
    while (unit + 1 < n_units && value >= 1000) value /= 1000, unit++;
    if (value >= 1e6) snprintf(out.text, sizeof out.text, "%.*e", n_digits - 1, value); /* beyond the last unit */
    else fixed(out.text, sizeof out.text, value, n_digits);
    if (strcspn(out.text, ".") == 4 && unit + 1 < n_units) { /* 999.96 kB is 1.000 MB */
        unit++;
        fixed(out.text, sizeof out.text, value / 1000, n_digits);
    }
    const size_t n = strlen(out.text);
    snprintf(out.text + n, sizeof out.text - n, " %s", units[unit]);
    return out;
}

static const char *const byte_units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

ms_human ms_human_bytes(uint64_t n_bytes) {
    ms_human out;
    if (n_bytes >= 1000) return scaled((double)n_bytes, 4, byte_units, 7);
    snprintf(out.text, sizeof out.text, "%u B", (unsigned)n_bytes);
    return out;
}

static ms_human not_finite(double value) {
    return isnan(value) ? (ms_human){"nan"} : value < 0 ? (ms_human){"-inf"} : (ms_human){"inf"};
}

ms_human ms_human_rate(double bytes_per_second) {
    if (!isfinite(bytes_per_second) || bytes_per_second < 0) return (ms_human){"? B/s"};
    ms_human out = scaled(bytes_per_second, 4, byte_units, 7);
    const size_t n = strlen(out.text);
    snprintf(out.text + n, sizeof out.text - n, "/s");
    return out;
}

ms_human ms_human_count(uint64_t n) {
    static const char space[] = "\xE2\x80\xAF";
    char digits[24];
    const int n_digits = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    ms_human out = {""};
    size_t at = 0;
    for (int i = 0; i < n_digits; i++) {
        if (n_digits > 4 && i > 0 && (n_digits - i) % 3 == 0) {
            memcpy(out.text + at, space, 3);
            at += 3;
        }
        out.text[at++] = digits[i];
    }
    return out;
}

ms_human ms_human_short_count(uint64_t n) {
    static const char *const units[] = {"", "k", "M", "B", "T", "P", "E"};
    ms_human out;
    if (n >= 1000) return scaled((double)n, 3, units, 7);
    snprintf(out.text, sizeof out.text, "%u", (unsigned)n);
    return out;
}

ms_human ms_human_number(double value) {
    ms_human out;
    if (!isfinite(value)) return not_finite(value);
    const double magnitude = fabs(value);
    if (magnitude < 1e6 && value == floor(value)) {
        snprintf(out.text, sizeof out.text, "%.0f", value == 0 ? 0.0 : value);
        return out;
    }
    snprintf(out.text, sizeof out.text, "%.3e", value);
    const int exponent = (int)strtol(strchr(out.text, 'e') + 1, NULL, 10); /* after rounding to four digits */
    if (exponent >= -4 && exponent < 6) snprintf(out.text, sizeof out.text, "%.*f", exponent < 3 ? 3 - exponent : 0, value);
    return out;
}

ms_human ms_human_percent(double share) {
    ms_human out;
    if (!isfinite(share)) return not_finite(share);
    if (fabs(share) < 1e8) snprintf(out.text, sizeof out.text, "%.2f %%", share * 100 == 0 ? 0.0 : share * 100);
    else snprintf(out.text, sizeof out.text, "%.3e %%", share * 100);
    return out;
}

ms_human ms_human_duration(double seconds) {
    static const char *const units[] = {"us", "ms", "s"};
    static const struct {
        uint64_t least; /* seconds */
        unsigned large, small;
        const char *large_name, *small_name;
    } long_units[] = {{86400, 86400, 3600, "d", "h"}, {3600, 3600, 60, "h", "min"}, {0, 60, 1, "min", "s"}};
    if (!isfinite(seconds) || seconds < 0) return (ms_human){"?"};
    if (seconds == 0) return (ms_human){"0 s"};
    if (seconds < 59.95) return scaled(seconds * 1e6, 3, units, 3);
    ms_human out;
    if (seconds >= 1e9) {
        snprintf(out.text, sizeof out.text, "%.3g d", seconds / 86400);
        return out;
    }
    int i = 0;
    uint64_t rounded = 0;
    for (; i < 3; i++) { /* the unit that is left after rounding to its smaller one */
        const double small = long_units[i].small;
        rounded = (uint64_t)(floor(seconds / small + 0.5) * small);
        if (rounded >= long_units[i].least) break;
    }
    snprintf(out.text, sizeof out.text, "%llu %s %02llu %s", (unsigned long long)(rounded / long_units[i].large),
             long_units[i].large_name, (unsigned long long)(rounded % long_units[i].large / long_units[i].small),
             long_units[i].small_name);
    return out;
}
