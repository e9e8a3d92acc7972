/*
 * proj_alias: which projection a name speaks of, by the alias map of a run's configuration.
 *
 *     ms_proj_infer(&map, MS_STR("layers.0.experts.3.w1.weight"))       -> "gate_proj"
 *     ms_proj_infer(&map, MS_STR("layers.0.experts.3.w13.weight"))      -> none
 *     ms_proj_suggest(&map, MS_STR("w13"), ...)                         -> proj "up_proj", match "w3"
 *
 * Canonical names are tried in map order, their aliases in list order, without regard to (ASCII) case. An alias that begins and
 * ends with a dot is a plain substring; any other must not touch a letter, digit or underscore on either side.
 */
#ifndef MS_PROJ_ALIAS_H
#define MS_PROJ_ALIAS_H

#include <stddef.h>

#include "err.h"
#include "str.h"

typedef struct ms_proj_alias {
    ms_str canonical;
    const ms_str *aliases; /* [n_aliases] */
    size_t n_aliases;
} ms_proj_alias;

typedef struct ms_proj_aliases { /* borrowed from the configuration */
    const ms_proj_alias *items;  /* [n] */
    size_t n;
} ms_proj_aliases;

/* The canonical name whose alias is the first to hit; text NULL when none does. Borrowed from the map. */
ms_str ms_proj_infer(const ms_proj_aliases *map, ms_str name);

/* The canonical name that the token spells (any case); text NULL when it is none. */
ms_str ms_proj_canonical(const ms_proj_aliases *map, ms_str token);

/* What an unknown token was probably meant to be: the canonical name or alias most like it, at a ratio of 0.6 or more; on a tie
 * the larger text. *match: that text; *proj: its canonical name. Both "" when nothing is close (or the token is absurdly long).
 * Borrowed from the map. */
ms_status ms_proj_suggest(const ms_proj_aliases *map, ms_str token, ms_str *proj, ms_str *match, ms_err *err);

/* Ratcliff-Obershelp: 2 M / (|a| + |b|) in characters, M the sum of the matching blocks; the very number that
 * difflib.SequenceMatcher(None, a, b).ratio() gives, its "popular characters" rule for |b| >= 200 included. */
ms_status ms_text_ratio(ms_str a, ms_str b, double *ratio, ms_err *err);

#endif
