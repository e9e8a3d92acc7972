/*
 * safetensors: the reader; the layout of the file is at the head of safetensors.c. Opened through ms_reader_open (reader.h).
 */
#ifndef MS_SAFETENSORS_H
#define MS_SAFETENSORS_H

#include "reader.h"

enum { MS_SAFETENSORS_MAX_HEADER = 100000000 }; /* bytes of JSON, as in the reference */

extern const ms_format ms_safetensors_format;

#endif
