/*
 * hub_address: names of models on the Hugging Face Hub.
 *
 *     hf://[models/|datasets/|spaces/|kernels/] OWNER / NAME [@ REVISION] [/ PATH]        hf: may stand for hf://
 *     hf://NAME [@ REVISION [/ PATH]]                                            names of old, such as gpt2
 *     OWNER / NAME [@ REVISION]                                                  bare; only where no such local path exists
 *     WEB / [datasets/|spaces/|kernels/] OWNER / NAME [/ blob|resolve|raw|tree|blame / REVISION [/ PATH]]  a browser's address
 *
 * REVISION is a branch, a tag, a commit, refs/pr/N or refs/convert/NAME; any other slash in it is written %2F. Default: main.
 * WEB is the endpoint, https://huggingface.co or https://hf.co. Empty parts are passed over; none may be "." or "..". Owner and
 * name are letters, digits and -_. with the Hub's own limits.
 */
#ifndef MS_HUB_ADDRESS_H
#define MS_HUB_ADDRESS_H

#include <stdbool.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

#define MS_HUB_HOME "https://huggingface.co"

typedef enum ms_hub_kind { MS_HUB_MODEL, MS_HUB_DATASET, MS_HUB_SPACE, MS_HUB_KERNEL, MS_HUB_N_KINDS } ms_hub_kind;

typedef struct ms_hub_address { /* texts lie in the caller's arena */
    ms_hub_kind kind;
    ms_str repo;     /* "owner/name", or a name of old */
    ms_str revision; /* decoded: "main", "refs/pr/3", 40 hex digits */
    ms_str path;     /* inside the repository; "" for all of it */
} ms_hub_address;

/* Does it begin with "hf:"? Such a text is never the path of a local file. */
bool ms_hub_address_is(ms_str text);

/* Is it a page of the Hub as a browser shows its address? */
bool ms_hub_address_is_web(ms_str text, ms_str endpoint);

/* Could "owner/name[@revision]" be meant? By its form alone; names that end like model files are taken for paths. */
bool ms_hub_address_is_bare(ms_str text);

/* MS_ERR_USAGE names the part that is wrong. endpoint: "https://huggingface.co" or the like. */
ms_status ms_hub_address_parse(ms_hub_address *out, ms_arena *arena, ms_str text, ms_str endpoint, ms_err *err);

/* "hf://owner/name@revision[/path]", which parses back to the same; text is NULL when memory is short. */
ms_str ms_hub_address_text(ms_arena *arena, const ms_hub_address *address);

/* "" for models, "datasets/", ...; "models", "datasets", ... */
const char *ms_hub_kind_prefix(ms_hub_kind kind);
const char *ms_hub_kind_plural(ms_hub_kind kind);

/* 40 lower-case hex digits. */
bool ms_hub_is_commit(ms_str revision);

/* Appends with everything but letters, digits and -_.~ percent-encoded; a slash stays when keep_slash. */
void ms_hub_escape(ms_buf *out, ms_str text, bool keep_slash);

/* A relative path that stays below its folder: no empty part, ".", "..", backslash or control character. */
bool ms_hub_path_is_inside(ms_str path);

#endif
