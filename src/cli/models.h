/*
 * models: what a user typed for a model becomes a path to open, before the command runs. So every command takes hf://, bare
 * names, Ollama's and LM Studio's (hub.h), and --download, without knowing.
 */
#ifndef MS_MODELS_H
#define MS_MODELS_H

#include "arena.h"
#include "cli.h"

/* Does the command take a model: an argument or an option that completes as one? */
bool ms_models_are_taken(const ms_command *command);

/* Replaces the texts of such arguments in cli->args; under --download fetches them first. Texts live in the arena. */
ms_status ms_models_resolve(ms_cli *cli, ms_arena *arena, ms_err *err);

/* The option of commands that look into packed banks of experts. */
#define MS_OPT_EXPERT_WIDTHS  \
    {.name = "expert-widths", \
     .kind = MS_OPT_TEXT,     \
     .value = "LIST",         \
     .help = "widths of the experts in a packed bank (4x2944,4x128), where the files do not say them"}

#endif
