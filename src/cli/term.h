/*
 * term: what the terminal can show. Asks the environment; keeps nothing.
 */
#ifndef MS_TERM_H
#define MS_TERM_H

#include <stdbool.h>

typedef enum ms_style {
    MS_STYLE_PLAIN, /* ends any other */
    MS_STYLE_BOLD,
    MS_STYLE_DIM,
    MS_STYLE_ACCENT, /* the one colour for what matters */
    MS_STYLE_ALERT,  /* what needs attention */
    MS_STYLE_COUNT,
} ms_style;

/* The escape sequence, or "" without colour. */
const char *ms_term_style(bool color, ms_style style);

typedef enum ms_color_choice { MS_COLOR_AUTO, MS_COLOR_ALWAYS, MS_COLOR_NEVER } ms_color_choice;

/* --color wins, then NO_COLOR, then CLICOLOR_FORCE, then: a terminal whose TERM is not "dumb". */
bool ms_term_color(ms_color_choice choice, int fd);

bool ms_term_is_terminal(int fd);
/* COLUMNS, else the terminal's own width, else 80; 20 .. 1000. */
int ms_term_columns(int fd);
/* The locale's encoding is UTF-8. */
bool ms_term_unicode(void);

#endif
