/*
 * width: how many columns a text takes in a terminal, for aligned tables of names from anywhere.
 *
 *     printf("%.*s%*s", (int)head.size, head.text, (int)(20 - ms_width_of(head)), "");
 *
 * Each code point is measured alone (marks 0, East Asian wide and emoji 2, all else 1); a byte that is not UTF-8 counts as 1.
 * Controls count as 1 too: show names through ms_str_shown first.
 */
#ifndef MS_WIDTH_H
#define MS_WIDTH_H

#include <stddef.h>
#include <stdint.h>

#include "str.h"

int ms_width_of_code(uint32_t code);
size_t ms_width_of(ms_str s);

/* The longest head of s that takes at most n_columns; marks stay with the character they belong to. */
ms_str ms_width_cut(ms_str s, size_t n_columns);

#endif
