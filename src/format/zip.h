/*
 * zip: the list of members of a ZIP archive (also ZIP64), for formats that are archives: .npz, PyTorch's .pt.
 *
 *     ms_zip zip;
 *     MS_TRY(ms_zip_open(&zip, source, &rules, err));
 *     for (size_t i = 0; i < zip.n_members; i++) use(&zip.members[i]);       // stored ones lie in the source as they are
 *     ms_zip_free(&zip);
 *
 * Only the directory and the members' headers are read. The layout and what is refused are at the head of zip.c.
 */
#ifndef MS_ZIP_H
#define MS_ZIP_H

#include "arena.h"
#include "broken.h"
#include "source.h"

enum { MS_ZIP_STORED = 0, MS_ZIP_DEFLATED = 8 };

typedef struct ms_zip_member {
    ms_str name;                /* UTF-8, owned by the zip's arena */
    uint16_t method, flags;     /* other methods than the two above occur and are the caller's to refuse */
    uint32_t crc;               /* CRC-32 of the unpacked bytes */
    uint64_t n_packed, n_bytes; /* stored, unpacked */
    uint64_t header_at, offset; /* of its header, of its packed bytes */
} ms_zip_member;

typedef struct ms_zip {
    ms_arena arena;
    ms_zip_member *members; /* [n_members], in the order of the directory; owned */
    size_t n_members;
    uint64_t directory_at, n_directory; /* bytes */
} ms_zip;

bool ms_zip_probe(const void *head, size_t n);

/* MS_ERR_DAMAGED, or MS_ERR_UNSUPPORTED for archives in several volumes and encrypted members. Lenient: a member that breaks a
 * rule is left out with a note. */
ms_status ms_zip_open(ms_zip *out, ms_source *source, const ms_broken_rules *rules, ms_err *err);
void ms_zip_free(ms_zip *zip);

/* In the order of their bytes instead. */
void ms_zip_sort_by_place(ms_zip *zip);

/* NULL when there is none. Linear. */
const ms_zip_member *ms_zip_find(const ms_zip *zip, ms_str name);

/* Continues a CRC-32; begin with 0. */
uint32_t ms_zip_crc(uint32_t crc, const void *bytes, size_t n);

#endif
