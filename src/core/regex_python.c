#include "regex_python.h"

#include <stdio.h>

enum { VERBOSE = 1, ASCII = 2 }; /* (?x) and (?a) hold */

typedef struct translator {
    ms_str in;
    size_t at;     /* the next byte of `in` */
    size_t origin; /* where the construct being translated begins */
    ms_regex_python *out;
    ms_err *err;
    bool no_memory;
    bool started;                                   /* something other than global flags has been seen */
    int depth;                                      /* open groups */
    uint8_t modes[MS_REGEX_PYTHON_MAX_NESTING + 1]; /* at this depth: */
} translator;

ms_status ms_regex_python_complain(ms_str pattern, size_t at, const char *why, ms_err *err) {
    return ms_err_set(err, MS_ERR_USAGE, "pattern '%s': position %zu: %s", ms_str_shown(pattern).text, at, why);
}

static ms_status refuse(const translator *t, const char *why) {
    return ms_regex_python_complain(t->in, t->origin, why, t->err);
}

static ms_status refuse_escape(const translator *t, const char *remedy) {
    char why[80];
    const size_t n = t->in.size - t->origin < 2 ? t->in.size - t->origin : 2;
    snprintf(why, sizeof why, "bad escape %s%s", ms_str_shown(ms_str_sub(t->in, t->origin, t->origin + n)).text, remedy);
    return refuse(t, why);
}

static void put(translator *t, const char *text, size_t n) {
    ms_buf_put(&t->out->text, text, n);
    for (size_t i = 0; i < n && !t->no_memory; i++) t->no_memory = !MS_VEC_PUSH(&t->out->origins, (uint32_t)t->origin);
    t->no_memory |= t->out->text.failed;
}

static void put_text(translator *t, const char *text) { put(t, text, strlen(text)); }

static void put_code(translator *t, uint32_t code) {
    char text[16];
    snprintf(text, sizeof text, "\\x{%x}", code);
    put_text(t, text);
}

/* The byte `ahead` of the next one, or 0 beyond the end. */
static char peek(const translator *t, size_t ahead) { return ahead < t->in.size - t->at ? t->in.text[t->at + ahead] : 0; }

static bool more(const translator *t) { return t->at < t->in.size; }
static void copy(translator *t, size_t n) { put(t, t->in.text + t->at, n), t->at += n; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_octal(char c) { return c >= '0' && c <= '7'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_in(char c, const char *set) { return c != 0 && strchr(set, c) != NULL; }

static int hex_digit(char c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Copies through the next `end`, untouched; false when there is none. */
static bool copy_through(translator *t, char end) {
    const char *const p = more(t) ? memchr(t->in.text + t->at, end, t->in.size - t->at) : NULL;
    if (p) copy(t, (size_t)(p - t->in.text) - t->at + 1);
    return p != NULL;
}

/* ---- escapes; t->at is behind the backslash and its letter ---- */

static ms_status hex_escape(translator *t, int n_digits) {
    uint32_t code = 0;
    for (int i = 0; i < n_digits; i++, t->at++) {
        const int digit = hex_digit(peek(t, 0));
        if (digit < 0) return refuse_escape(t, ": it needs 2 (\\x), 4 (\\u) or 8 (\\U) hexadecimal digits");
        code = code << 4 | (uint32_t)digit;
    }
    put_code(t, code);
    return MS_OK;
}

/* As Python: octal after \0, with three octal digits, and everywhere in a class; else the number of a group. */
static ms_status digit_escape(translator *t, char first, bool in_class) {
    const bool three = is_octal(first) && is_octal(peek(t, 0)) && is_octal(peek(t, 1));
    if (first == '0' || three || in_class) {
        if (!is_octal(first)) return refuse_escape(t, "");
        uint32_t code = (uint32_t)(first - '0');
        for (int i = 0; i < 2 && is_octal(peek(t, 0)); i++, t->at++) code = code * 8 + (uint32_t)(peek(t, 0) - '0');
        if (code > 0377) return refuse_escape(t, ": octal escapes end at \\377");
        put_code(t, code);
        return MS_OK;
    }
    char text[16];
    int group = first - '0';
    if (is_digit(peek(t, 0))) group = group * 10 + (t->in.text[t->at++] - '0');
    snprintf(text, sizeof text, "\\g{%d}", group);
    put_text(t, text);
    return MS_OK;
}

static ms_status property_escape(translator *t, char letter) {
    put(t, (const char[]){'\\', letter}, 2);
    if (peek(t, 0) != '{') return MS_OK;
    return copy_through(t, '}') ? MS_OK : refuse_escape(t, ": its { is not closed");
}

/* \d \w \s \b and their opposites for ASCII only. PCRE2 could do it without UCP, but for whole patterns only, and the JIT
 * compiler of 10.42 then misreads \D, \W and \S beside PCRE2_MATCH_INVALID_UTF. */
static void ascii_escape(translator *t, char c, bool in_class) {
#define WORD "0-9A-Z_a-z"
#define SPACE "\\t-\\r\\x20"
#define ALONE(set) "(?-i:[" set "])" /* no case folding: the long s folds to s */
    static const struct {
        char letter;
        const char *alone, *in_class; /* in_class NULL: refused there before */
    } table[] = {
        {'d', ALONE("0-9"), "0-9"},
        {'D', ALONE("^0-9"), "\\x{0}-/:-\\x{10ffff}"},
        {'w', ALONE(WORD), WORD},
        {'W', ALONE("^" WORD), "\\x{0}-/:-@\\[-\\^`{-\\x{10ffff}"},
        {'s', ALONE(SPACE), SPACE},
        {'S', ALONE("^" SPACE), "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{10ffff}"},
        {'b', "(?-i:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))", "\\b"},
        {'B', "(?-i:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))", NULL},
    };
#undef WORD
#undef SPACE
#undef ALONE
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].letter == c) put_text(t, in_class ? table[i].in_class : table[i].alone);
}

static ms_status letter_escape(translator *t, char c, bool in_class) {
    if (c == 'x' && peek(t, 0) != '{') return hex_escape(t, 2);
    if (c == 'u') return hex_escape(t, 4);
    if (c == 'U') return hex_escape(t, 8);
    if (c == 'x' || c == 'p' || c == 'P') return property_escape(t, c);
    if (c == 'v') return put_code(t, '\v'), MS_OK;
    if (c == 'N') return refuse_escape(t, "{...}: write the character itself or \\uXXXX");
    if (!in_class && (c == 'Z' || c == 'z')) return put_text(t, "\\z"), MS_OK;
    if (!is_in(c, in_class ? "dDsSwWabfnrthH" : "AbBdDsSwWafnrthHRX")) return refuse_escape(t, "");
    if ((t->modes[t->depth] & ASCII) && is_in(c, "dDwWsSbB")) ascii_escape(t, c, in_class);
    else put(t, (const char[]){'\\', c}, 2);
    return MS_OK;
}

static ms_status escape(translator *t, bool in_class) {
    t->origin = t->at++;
    if (!more(t)) return refuse(t, "a backslash at the end of the pattern");
    const char c = t->in.text[t->at++];
    if (is_digit(c)) return digit_escape(t, c, in_class);
    if (is_letter(c)) return letter_escape(t, c, in_class);
    put(t, (const char[]){'\\', c}, 2);
    return MS_OK;
}

/* ---- classes and repeats ---- */

/* One character or escape of a class; *is_set: it stands for many, so no range can begin or end there. */
static ms_status class_item(translator *t, bool *is_set) {
    const char c = peek(t, 0);
    t->origin = t->at;
    *is_set = c == '\\' && is_in(peek(t, 1), "dDsSwWpPhH");
    if (c == '\\') return escape(t, true);
    if (is_in(c, "[]-^:.=")) put_text(t, "\\"); /* "[:" would begin the name of a class */
    do copy(t, 1);
    while ((peek(t, 0) & 0xC0) == 0x80); /* the rest of a character */
    return MS_OK;
}

static ms_status character_class(translator *t) {
    const size_t begin = t->at;
    copy(t, 1);
    if (peek(t, 0) == '^') copy(t, 1);
    for (bool first = true; more(t); first = false) {
        t->origin = t->at;
        if (peek(t, 0) == ']' && !first) return copy(t, 1), MS_OK;
        bool is_set, ends_in_set;
        MS_TRY(class_item(t, &is_set));
        if (peek(t, 0) != '-' || peek(t, 1) == ']' || t->in.size - t->at < 2) continue;
        copy(t, 1);
        MS_TRY(class_item(t, &ends_in_set));
        if (is_set || ends_in_set) return refuse(t, "a range needs a single character at both ends");
    }
    t->origin = begin;
    return refuse(t, "the [ is not closed");
}

static void braces(translator *t) {
    size_t low = 0, high = 0;
    while (is_digit(peek(t, 1 + low))) low++;
    size_t n = 1 + low;
    const bool comma = peek(t, n) == ',';
    if (comma) {
        while (is_digit(peek(t, n + 1 + high))) high++;
        n += 1 + high;
    }
    if (peek(t, n) != '}' || n == 1) { /* {} and what is no repeat stand for themselves */
        put_text(t, "\\{");
        t->at++;
        return;
    }
    if (low > 0) {
        copy(t, n + 1);
        return;
    }
    put_text(t, "{0");
    t->at++;
    copy(t, n);
}

/* ---- groups ---- */

static ms_status enter(translator *t, uint8_t mode) {
    if (t->depth == MS_REGEX_PYTHON_MAX_NESTING) return refuse(t, "groups are nested too deep");
    t->modes[++t->depth] = mode;
    t->started = true;
    return MS_OK;
}

/* Reads "ims-x" up to ':' or ')'. kept: [16], what PCRE2 is to see of it. */
static ms_status read_flags(translator *t, char *kept, uint8_t *mode, bool *off) {
    size_t n = 0;
    bool ascii = false, unicode = false;
    for (; is_in(peek(t, 0), "aiLmsux-"); t->at++) {
        const char c = peek(t, 0);
        if (c == 'L') return refuse(t, "(?L) is for patterns of bytes");
        if (*off && !is_in(c, "imsx")) return refuse(t, "only i, m, s and x can be switched off");
        ascii |= c == 'a', unicode |= c == 'u';
        if (ascii && unicode) return refuse(t, "flags a and u exclude each other");
        if (c == '-') *off = true;
        if (c == 'x') *mode = *off ? *mode & (uint8_t)~VERBOSE : *mode | VERBOSE;
        if (!is_in(c, "au") && !memchr(kept, c, n)) kept[n++] = c;
    }
    kept[n] = 0;
    if (ascii) *mode |= ASCII;
    if (unicode) *mode &= (uint8_t)~ASCII;
    return MS_OK;
}

/* "(?ims-x:" and "(?ims)"; t->at is behind the "(?". */
static ms_status flags(translator *t) {
    char kept[16];
    bool off = false;
    uint8_t mode = t->modes[t->depth];
    MS_TRY(read_flags(t, kept, &mode, &off));
    const char end = peek(t, 0);
    if (end != ':' && end != ')') return refuse(t, "unknown extension after (?");
    t->at++;
    if (end == ')') {
        if (t->started || t->depth > 0) return refuse(t, "flags such as (?i) stand at the start of a pattern, or as (?i:...)");
        if (off) return refuse(t, "flags can be switched off only for a part: (?-i:...)");
        t->modes[0] = mode;
        if (!kept[0]) return MS_OK;
    }
    put_text(t, "(?");
    put_text(t, kept);
    put(t, &end, 1);
    return end == ':' ? enter(t, mode) : MS_OK;
}

static ms_status conditional(translator *t) {
    const size_t begin = t->at + 3;
    const char *const end = memchr(t->in.text + t->at, ')', t->in.size - t->at);
    const size_t n = end ? (size_t)(end - t->in.text) - begin : 0;
    if (n == 0) return refuse(t, "(?( needs the number or name of a group and a )");
    const bool by_name = !is_digit(t->in.text[begin]);
    put_text(t, by_name ? "(?(<" : "(?(");
    put(t, t->in.text + begin, n);
    put_text(t, by_name ? ">)" : ")");
    t->at = begin + n + 1;
    return enter(t, t->modes[t->depth]);
}

static ms_status named(translator *t, size_t n_head) {
    copy(t, n_head);
    if (!copy_through(t, '>')) return refuse(t, "the name of the group has no >");
    return enter(t, t->modes[t->depth]);
}

static ms_status group(translator *t) {
    const uint8_t mode = t->modes[t->depth];
    const char kind = peek(t, 2), next = peek(t, 3);
    if (peek(t, 1) == '*') return refuse(t, "nothing to repeat after (");
    if (peek(t, 1) != '?') return copy(t, 1), enter(t, mode);
    t->out->looks_ahead |= kind == '=';
    if (is_in(kind, ":=!>") || (kind == '<' && is_in(next, "=!"))) return copy(t, kind == '<' ? 4 : 3), enter(t, mode);
    if (kind == '#') {
        const char *const end = memchr(t->in.text + t->at, ')', t->in.size - t->at);
        if (!end) return refuse(t, "the comment (?# is not closed");
        t->at = (size_t)(end - t->in.text) + 1;
        return MS_OK;
    }
    if (kind == 'P' && next == '=') {
        t->started = true;
        return copy_through(t, ')') ? MS_OK : refuse(t, "(?P= is not closed");
    }
    if (kind == 'P' && next == '<') return named(t, 4);
    if (kind == '<') return named(t, 3);
    if (kind == '(') return conditional(t);
    t->at += 2;
    return flags(t);
}

/* ---- the whole ---- */

static ms_status one(translator *t) {
    const char c = peek(t, 0);
    const bool verbose = t->modes[t->depth] & VERBOSE;
    t->origin = t->at;
    if (verbose && c == '#') {
        while (more(t) && t->in.text[t->at++] != '\n') continue;
        return MS_OK;
    }
    if (verbose && is_in(c, " \t\n\r\v\f")) return t->at++, MS_OK;
    if (c == '(') return group(t);
    t->started = true;
    if (c == '\\') return escape(t, false);
    if (c == '[') return character_class(t);
    if (c == '{') return braces(t), MS_OK;
    if (c == ')' && t->depth > 0) t->depth--;
    copy(t, 1);
    return MS_OK;
}

ms_status ms_regex_python_translate(ms_regex_python *out, ms_str pattern, ms_err *err) {
    *out = (ms_regex_python){0};
    translator t = {.in = pattern, .out = out, .err = err};
    put_text(&t, ""); /* so that even an empty pattern has a text */
    while (more(&t) && !t.no_memory) MS_TRY(one(&t));
    return t.no_memory ? ms_err_memory(err, "a pattern") : MS_OK;
}

void ms_regex_python_free(ms_regex_python *translated) {
    ms_buf_free(&translated->text);
    MS_VEC_FREE(&translated->origins);
}
