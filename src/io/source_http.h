/*
 * source_http: a source whose bytes come by HTTP ranges.
 *
 * What is asked for comes in spans of 64 KiB to 4 MiB, kept until all of a span has been read once (64 MiB of
 * these stay, too) or memory for them (512 MiB for all such sources) runs short. Wants that touch share one request; several
 * threads that want the same bytes wait for one transfer; will_need starts transfers ahead and never pushes out what was not
 * yet read.
 */
#ifndef MS_SOURCE_HTTP_H
#define MS_SOURCE_HTTP_H

#include "http.h"
#include "source.h"

typedef struct ms_source_place { /* texts are copied */
    const char *name;            /* for messages */
    const char *url;
    const char *commit, *etag; /* expected of every answer; NULL: anything */
} ms_source_place;

/* n_bytes: the whole size, checked against every answer. http: borrowed, outlives the source. Owned. */
ms_status ms_source_open_http(ms_source **out, ms_http *http, uint64_t n_bytes, const ms_source_place *place, ms_err *err);

#endif
