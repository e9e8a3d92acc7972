/*
 * complete: completion scripts for bash, zsh and fish, from the tables. They stand alone: no helper package is needed.
 * What only a file can answer (tensor names) they ask the program: moescope completion --tensors MODEL.
 */
#ifndef MS_COMPLETE_H
#define MS_COMPLETE_H

#include "buf.h"
#include "command.h"

void ms_complete_bash(ms_buf *out, const ms_command_set *set);
void ms_complete_zsh(ms_buf *out, const ms_command_set *set);
void ms_complete_fish(ms_buf *out, const ms_command_set *set);

#endif
