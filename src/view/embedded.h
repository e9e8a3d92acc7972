/*
 * embedded: texts that the build puts into the program (style sheet, chart code), so that reports need no other file.
 *
 * Valid for the life of the program. size 0: the part was not built in (see cmake/web.cmake).
 */
#ifndef MS_EMBEDDED_H
#define MS_EMBEDDED_H

#include "str.h"

ms_str ms_embedded_report_css(void);
ms_str ms_embedded_report_js(void);

#endif
