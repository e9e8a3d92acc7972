/*
 * gguf: the reader; the layout of the file is at the head of gguf.c. Opened through ms_reader_open (reader.h).
 *
 * Shapes come out in C order (last index fastest), so GGUF's {H, I, E} is [E, I, H]. Metadata values are texts, or the JSON of
 * numbers, booleans and arrays; an array of more than 64 entries becomes {"array": "string", "n": 151936}.
 */
#ifndef MS_GGUF_H
#define MS_GGUF_H

#include "reader.h"

enum {
    MS_GGUF_MAX_HEADER = 1 << 28, /* bytes before the data; real ones have some 10 MB */
    MS_GGUF_MAX_NAME = 63,        /* bytes, as in ggml; longer ones only when lenient */
    MS_GGUF_MAX_RANK = 4,
    MS_GGUF_SHOWN_ARRAY = 64,
};

extern const ms_format ms_gguf_format;

#endif
