/*
 * hub: repositories of the Hugging Face Hub as folders of files, read where they are: in the local cache, else by ranges.
 *
 * "hf://owner/name[@revision]" is a folder, "hf://owner/name[@revision]/path" a file or folder in it. files.h and source.h hand
 * such paths over to here, so that whoever opens files by path opens these too:
 *
 *     ms_files_list_folder(&list, "hf://owner/name", err);
 *     ms_source_open_file(&source, "hf://owner/name@main/model.safetensors", err);
 *
 * A repository is looked up once in a process: its revision becomes a commit, its files are listed (one request for each), and
 * from then on only that commit is read, so that versions never mix. Files that the cache has at that commit are mapped.
 * Offline (HF_HUB_OFFLINE), without libcurl, and where the Hub cannot be reached, the cache is all there is.
 *
 * The table of repositories is kept for the life of the process, like the kernel's own of mounted file systems.
 */
#ifndef MS_HUB_H
#define MS_HUB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "files.h"
#include "source.h"

/* Is it the path of something on the Hub? By its text: "hf:...". */
bool ms_hub_is(const char *path);

/*
 * What a user typed for a model, as a path to open. In this order:
 *   a local path            itself; the cache folder models--OWNER--NAME: its snapshot; an Ollama manifest: its blob
 *   hf:..., ENDPOINT/...    "hf://owner/name@COMMIT[/path]"
 *   ollama:NAME[:TAG]       the blob below $OLLAMA_MODELS, ~/.ollama/models
 *   owner/name[@revision]   the folder of LM Studio, when it has one of that name; else as hf://
 * Anything else comes back as it is. MS_ERR_NOT_FOUND, MS_ERR_NETWORK, ... as the Hub answers.
 */
ms_status ms_hub_resolve(ms_str *out, ms_arena *arena, const char *text, ms_err *err);

typedef struct ms_hub_watcher {                                     /* of a download; any may be NULL */
    void (*watch)(void *context, uint64_t n_came, uint64_t n_more); /* bytes that came; at first what is to come */
    void *context;
    const atomic_bool *cancel; /* set by anyone (a signal handler): what came is kept, MS_ERR_INTERRUPTED */
} ms_hub_watcher;

/*
 * Brings files ("hf://..." as given by ms_hub_resolve; local ones are passed over) into the cache, where huggingface_hub finds
 * them too, and with them the small texts (configuration, index, tokenizer) that lie in `folder` (may be NULL). Hashes are
 * checked; a download that was cut short is gone on with. From then on the files are read from the cache. No source of the Hub
 * may be in use when it can be cancelled.
 */
ms_status ms_hub_download(const char *const *paths, size_t n_paths, const char *folder, const ms_hub_watcher *watcher,
                          ms_err *err);

/* Something worth a warning about the repository of that path (the Hub was out of reach, the cache served); "" for nothing. */
ms_str ms_hub_remark(const char *path);

/* Where the cache has what that path of the Hub names ("hf://..." as given by ms_hub_resolve): a folder when some of its files
 * are there. MS_ERR_UNSUPPORTED when it has nothing of it; a local path comes back as it is. */
ms_status ms_hub_local(ms_str *out, ms_arena *arena, const char *path, ms_err *err);

/* What the Hub says the file is ("hf://...", or a link of its cache): its SHA-256 (64 hex digits) when it is a large one, else
 * git's id of it (40); "" when it does not say. In the arena. */
ms_str ms_hub_id(ms_arena *arena, const char *path);

/* Ends the client's thread and its connections, before the process ends. No source of the Hub may be in use. */
void ms_hub_end(void);

/* ---- for files.c and source.c ---- */

ms_status ms_hub_look(const char *path, bool *is_folder, uint64_t *n_bytes, ms_err *err);
ms_status ms_hub_list(ms_files_list *out, const char *path, ms_err *err);
ms_status ms_hub_read(ms_buf *out, const char *path, uint64_t max, ms_err *err);
ms_status ms_hub_open_source(ms_source **out, const char *path, ms_err *err);

#endif
