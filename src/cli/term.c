#include "term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *ms_term_style(bool color, ms_style style) {
    static const char *const escapes[MS_STYLE_COUNT] = {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[33m"};
    return color && style < MS_STYLE_COUNT ? escapes[style] : "";
}

static bool is_set(const char *name) {
    const char *const value = getenv(name);
    return value && *value;
}

bool ms_term_is_terminal(int fd) { return isatty(fd) == 1; }

bool ms_term_color(ms_color_choice choice, int fd) {
    if (choice != MS_COLOR_AUTO) return choice == MS_COLOR_ALWAYS;
    if (is_set("NO_COLOR")) return false;
    if (is_set("CLICOLOR_FORCE") && strcmp(getenv("CLICOLOR_FORCE"), "0") != 0) return true;
    const char *const term = getenv("TERM");
    return ms_term_is_terminal(fd) && term && *term && strcmp(term, "dumb") != 0;
}

int ms_term_columns(int fd) {
    int64_t columns = 0;
    const char *const wanted = getenv("COLUMNS");
    struct winsize size;
    if (wanted && !ms_str_to_i64(ms_str_of(wanted), &columns)) columns = 0;
    if (columns <= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    if (columns <= 0) columns = 80;
    return columns < 20 ? 20 : columns > 1000 ? 1000 : (int)columns;
}

bool ms_term_unicode(void) {
    const locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (!locale) return false;
    const bool utf8 = strcasecmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

/* ---- width ---- */

typedef struct range {
    uint32_t first, last;
} range;

/* East Asian Wide and Fullwidth, and emoji, in broad blocks (Unicode 15): what terminals draw in two cells. */
static const range wide[] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
                             {0x2614, 0x2615},   {0x2e80, 0x303e},   {0x3041, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
                             {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                             {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1aff0, 0x1b2ff}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
                             {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
static const range none[] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f},
                             {0x0e34, 0x0e3a}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
                             {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};

static bool is_in(const range *ranges, size_t n, uint32_t c) {
    for (size_t i = 0; i < n && ranges[i].first <= c; i++)
        if (c <= ranges[i].last) return true;
    return false;
}

int ms_term_width(ms_str text) {
    int width = 0;
    for (size_t i = 0; i < text.size;) {
        const unsigned char lead = (unsigned char)text.text[i];
        const size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
        for (size_t k = 1; k < n && i + k < text.size; k++) c = c << 6 | ((unsigned char)text.text[i + k] & 0x3f);
        i += n;
        if (is_in(none, sizeof none / sizeof none[0], c)) continue;
        width += is_in(wide, sizeof wide / sizeof wide[0], c) ? 2 : 1;
    }
    return width;
}
