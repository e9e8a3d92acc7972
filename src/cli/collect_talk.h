/* collect_talk: lets a collect say its lines and show its progress on the command line. */
#ifndef MS_COLLECT_TALK_H
#define MS_COLLECT_TALK_H

#include "cli.h"
#include "collect.h"

/* cli must outlive the collect. */
ms_collect_talk ms_collect_talk_to(ms_cli *cli);

#endif
