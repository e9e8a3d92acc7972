/*
 * npz: a ZIP archive of npy files, as numpy.savez and savez_compressed write them. Opened through ms_reader_open (reader.h).
 */
#ifndef MS_NPZ_H
#define MS_NPZ_H

#include "reader.h"

extern const ms_format ms_npz_format;

#endif
