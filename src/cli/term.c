#include "term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "str.h"

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
