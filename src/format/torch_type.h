/*
 * torch_type: torch's names of element types: "FloatStorage", "float8_e4m3fn".
 */
#ifndef MS_TORCH_TYPE_H
#define MS_TORCH_TYPE_H

#include "dtype.h"
#include "str.h"

typedef struct ms_torch_type {
    ms_dtype dtype; /* MS_DTYPE_UNKNOWN: known to torch, not decoded here */
    size_t item;    /* bytes of an element; 0: torch has no such type */
} ms_torch_type;

/* name: a storage class or a dtype, without its module. */
ms_torch_type ms_torch_type_of(ms_str name);

#endif
