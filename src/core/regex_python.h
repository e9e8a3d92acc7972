/*
 * regex_python: patterns of Python's `re`, rewritten for PCRE2 (10.42 and later). Private to regex.c and its tests.
 *
 *   Python                      PCRE2 reads it as            becomes
 *   \Z                          before a final newline too   \z
 *   {,3}  {,}                   literal text                 {0,3}  {0,}
 *   x{}  {a                     (other rules)                x\{}  \{a
 *   \uXXXX  \UXXXXXXXX          an error                     \x{...}
 *   \xHH  \012  \123            the same, more or less       \x{...}
 *   \v                          any vertical space           \x{b}
 *   \1 .. \99                   or octal, by group count     \g{1} .. \g{99}
 *   [[:a]  [.a]                 a POSIX class, an error      [\[\:a]  [\.a]
 *   (?a)  (?a:...)              an error                     \d \w \s \b spelled out in ASCII
 *   (?u)  (?u:...)              an error                     nothing, (?:...)
 *   (?(name)yes|no)             or a keyword                 (?(<name>)yes|no)
 *   # comment under (?x)        the same                     nothing
 *   (*VERB)  (?R)  \N{...}  \q  something else               refused, as are all escapes and groups Python has not,
 *                                                            except \p \P \X \R \h \H \z \x{...} and (?<name>...)
 */
#ifndef MS_REGEX_PYTHON_H
#define MS_REGEX_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"
#include "vec.h"

enum { MS_REGEX_PYTHON_MAX_NESTING = 200 };

typedef struct ms_regex_python {
    ms_buf text;              /* owned: the pattern for PCRE2 */
    bool looks_ahead;         /* it holds (?=...) */
    MS_VEC(uint32_t) origins; /* owned: for each byte of text the byte of the Python pattern it comes from */
} ms_regex_python;

/* Patterns have less than 2^32 bytes. MS_ERR_USAGE naming the pattern and the place. Free *out whatever comes back. */
ms_status ms_regex_python_translate(ms_regex_python *out, ms_str pattern, ms_err *err);
void ms_regex_python_free(ms_regex_python *translated);

/* "pattern '...': position 3: why": the one form of complaint about a pattern. */
ms_status ms_regex_python_complain(ms_str pattern, size_t at, const char *why, ms_err *err);

#endif
