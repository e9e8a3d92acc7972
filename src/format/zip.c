/*
 * ZIP archives.
 *
 *   archive   members | directory | [ZIP64 end, ZIP64 locator] | end                        all little-endian, no padding
 *   member    "PK\3\4" u16 version | u16 flags | u16 method | u32 time | u32 crc | u32 packed | u32 size | u16 n_name |
 *             u16 n_extra | name | extra | packed bytes | [descriptor]
 *   entry     "PK\1\2" u16 made by | u16 version | u16 flags | u16 method | u32 time | u32 crc | u32 packed | u32 size |
 *             u16 n_name | u16 n_extra | u16 n_comment | u16 volume | u16 attributes | u32 attributes | u32 header at |
 *             name | extra | comment
 *   end       "PK\5\6" u16 volume | u16 volume of directory | u16 entries here | u16 entries | u32 directory bytes |
 *             u32 directory at | u16 n_comment | comment
 *   ZIP64     end "PK\6\6" u64 size of the rest | u16, u16 versions | u32, u32 volumes | u64 entries here | u64 entries |
 *             u64 directory bytes | u64 directory at; locator "PK\6\7" u32 volume | u64 end at | u32 volumes;
 *             extra field 1: those of size, packed, header at (u64 each) whose 32-bit field is 0xFFFFFFFF
 *
 * Everything about a member comes from the directory; where its bytes begin comes from its own header, whose name and extra
 * lengths differ. The two must agree in name, method and flags, and in sizes and CRC where the member's header has them
 * (it may not: writers of streams put them behind the bytes, and Python writes 0xFFFFFFFF).
 *
 * Refused: anything between the parts or behind the end; members that overlap, reach into the directory, occur twice, have a
 * name that is empty, absolute, climbs ("..") or is no UTF-8; stored members of two sizes; deflated ones that would unpack to
 * more than deflate can (1032 : 1). These are the ways in which archives show one reader something else than another, or make
 * small files into large ones.
 */
#include "zip.h"

#include <stdlib.h>

#include "checked.h"
#include "cursor.h"
#include "map.h"
#include "mem.h"
#include "vec.h"

#if MS_HAVE_ZLIB
#include <zlib.h>
#endif

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    HEADER_BYTES = 30,
    MOST_COMMENT = 0xFFFF,
    DEFLATE_MOST = 1032, /* bytes out of one byte in */
    NEWEST_VERSION = 63, /* 6.3, the newest published */

    FLAG_ENCRYPTED = 1 << 0,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_PATCHED = 1 << 5,
    FLAG_STRONG = 1 << 6,
    FLAG_MASKED = 1 << 13,
};

static const uint32_t header_magic = 0x04034B50, entry_magic = 0x02014B50, end_magic = 0x06054B50, end64_magic = 0x06064B50,
                      locator_magic = 0x07064B50, saturated = 0xFFFFFFFF;

typedef struct opener {
    ms_zip *zip;
    ms_source *source;
    const ms_broken_rules *rules;
    ms_err *err;
    ms_scratch scratch;
    uint64_t n_entries;
    uint64_t members_end; /* the directory begins there */
    MS_VEC(ms_zip_member) members;
    ms_map by_name;
} opener;

bool ms_zip_probe(const void *head, size_t n) {
    uint32_t magic;
    if (n < sizeof magic) return false;
    memcpy(&magic, head, sizeof magic);
    return magic == header_magic || magic == end_magic;
}

#define BEYOND_USE(o, at, ...) \
    ms_broken_beyond_use((o)->rules, (o)->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)(at), __VA_ARGS__)

/* ---- end records ---- */

/* The last end record whose comment reaches exactly to the end of the file. */
static ms_status find_end(opener *o, uint64_t *end_at) {
    const uint64_t size = o->source->size;
    const size_t n = size < END_BYTES + MOST_COMMENT ? (size_t)size : END_BYTES + MOST_COMMENT;
    const void *bytes;
    MS_TRY(ms_source_view(o->source, size - n, n, &o->scratch, &bytes, o->err));
    const uint8_t *const tail = bytes;
    size_t n_behind = 0; /* bytes behind the last end record that has its whole comment */
    for (size_t i = n < END_BYTES ? 0 : n - END_BYTES + 1; i-- > 0;) {
        uint32_t magic;
        uint16_t n_comment;
        memcpy(&magic, tail + i, sizeof magic);
        if (magic != end_magic) continue;
        memcpy(&n_comment, tail + i + END_BYTES - 2, sizeof n_comment);
        if (i + END_BYTES + n_comment < n && !n_behind) n_behind = n - i - END_BYTES - n_comment;
        if (i + END_BYTES + n_comment != n) continue;
        *end_at = size - n + i;
        return MS_OK;
    }
    if (n_behind)
        return BEYOND_USE(o, size - n_behind,
                          "%zu bytes follow the end of this ZIP archive; something was put behind it: fetch the file again",
                          n_behind);
    return BEYOND_USE(o, size,
                      "the directory of this ZIP archive is missing: no end record at the end of the file; the download is "
                      "incomplete, fetch the file again");
}

typedef struct end_record {
    uint64_t volume, directory_volume, n_here, n_entries, n_directory, directory_at;
} end_record;

/* A 32-bit (or 16-bit) field either says the same as its 64-bit twin or is saturated. */
static bool agree(uint64_t narrow, uint64_t most, uint64_t wide) { return narrow == most || narrow == wide; }

/* The ZIP64 record that the locator in front of the end record names. *parts_end: where the directory must end. */
static ms_status read_end64(opener *o, uint64_t locator_at, end_record *r, uint64_t *parts_end) {
    const void *bytes;
    MS_TRY(ms_source_view(o->source, locator_at, LOCATOR_BYTES, &o->scratch, &bytes, o->err));
    ms_cursor c = ms_cursor_over(bytes, LOCATOR_BYTES);
    ms_cursor_u32(&c);
    const uint32_t volume = ms_cursor_u32(&c);
    const uint64_t at = ms_cursor_u64(&c);
    if (volume != 0 || at > locator_at || locator_at - at < END64_BYTES)
        return BEYOND_USE(o, locator_at, "the ZIP64 locator points to byte %llu, where no ZIP64 end record can be",
                          (unsigned long long)at);
    MS_TRY(ms_source_view(o->source, at, END64_BYTES, &o->scratch, &bytes, o->err));
    c = ms_cursor_over(bytes, END64_BYTES);
    const uint32_t magic = ms_cursor_u32(&c);
    const uint64_t n_rest = ms_cursor_u64(&c);
    ms_cursor_u32(&c);
    end_record wide;
    wide.volume = ms_cursor_u32(&c);
    wide.directory_volume = ms_cursor_u32(&c);
    wide.n_here = ms_cursor_u64(&c);
    wide.n_entries = ms_cursor_u64(&c);
    wide.n_directory = ms_cursor_u64(&c);
    wide.directory_at = ms_cursor_u64(&c);
    if (magic != end64_magic || n_rest != locator_at - at - 12)
        return BEYOND_USE(o, at, "no ZIP64 end record where the ZIP64 locator says, or one of another size");
    if (!agree(r->n_entries, 0xFFFF, wide.n_entries) || !agree(r->n_directory, saturated, wide.n_directory) ||
        !agree(r->directory_at, saturated, wide.directory_at))
        return BEYOND_USE(o, at, "the ZIP64 end record and the end record describe two different directories");
    *r = wide;
    *parts_end = at;
    return MS_OK;
}

/* True when a ZIP64 locator stands in front of the end record. */
static ms_status has_locator(opener *o, uint64_t end_at, bool *has) {
    *has = false;
    if (end_at < LOCATOR_BYTES) return MS_OK;
    const void *bytes;
    MS_TRY(ms_source_view(o->source, end_at - LOCATOR_BYTES, sizeof locator_magic, &o->scratch, &bytes, o->err));
    *has = memcmp(bytes, &locator_magic, sizeof locator_magic) == 0;
    return MS_OK;
}

static ms_status read_end(opener *o) {
    uint64_t end_at = 0;
    const void *bytes;
    MS_TRY(find_end(o, &end_at));
    MS_TRY(ms_source_view(o->source, end_at, END_BYTES, &o->scratch, &bytes, o->err));
    ms_cursor c = ms_cursor_over(bytes, END_BYTES);
    ms_cursor_u32(&c);
    end_record r;
    r.volume = ms_cursor_u16(&c);
    r.directory_volume = ms_cursor_u16(&c);
    r.n_here = ms_cursor_u16(&c);
    r.n_entries = ms_cursor_u16(&c);
    r.n_directory = ms_cursor_u32(&c);
    r.directory_at = ms_cursor_u32(&c);
    uint64_t parts_end = end_at;
    bool is64;
    MS_TRY(has_locator(o, end_at, &is64));
    if (is64) MS_TRY(read_end64(o, end_at - LOCATOR_BYTES, &r, &parts_end));

    if (r.volume != 0 || r.directory_volume != 0 || r.n_here != r.n_entries)
        return ms_broken_beyond_use(o->rules, o->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, (int64_t)end_at,
                                    "a ZIP archive in several volumes; join them first");
    uint64_t directory_end;
    if (!ms_add_u64(r.directory_at, r.n_directory, &directory_end) || directory_end != parts_end)
        return BEYOND_USE(
            o, end_at,
            "the directory should lie at [%llu, %llu + %llu), but what follows it begins at %llu: something was put "
            "in front of the archive or into it, or the file is incomplete",
            (unsigned long long)r.directory_at, (unsigned long long)r.directory_at, (unsigned long long)r.n_directory,
            (unsigned long long)parts_end);
    if (r.n_entries > r.n_directory / ENTRY_BYTES)
        return BEYOND_USE(o, end_at, "the directory should list %llu members, its %llu bytes have room for %llu",
                          (unsigned long long)r.n_entries, (unsigned long long)r.n_directory,
                          (unsigned long long)(r.n_directory / ENTRY_BYTES));
    o->n_entries = r.n_entries;
    o->members_end = o->zip->directory_at = r.directory_at;
    o->zip->n_directory = r.n_directory;
    return MS_OK;
}

/* ---- extra fields ---- */

/* Fills in the saturated ones of `fields` ([n], in the order of the format) from extra field 1. False: it is too short or not
 * there. */
static bool read_wide(const uint8_t *extra, size_t n_extra, uint64_t *const *fields, size_t n) {
    ms_cursor c = ms_cursor_over(extra, n_extra), wide = {0};
    while (ms_cursor_left(&c) >= 4) {
        const uint16_t id = ms_cursor_u16(&c), size = ms_cursor_u16(&c);
        const uint8_t *const p = ms_cursor_take(&c, size);
        if (c.failed) break; /* rubbish behind the fields: seen in the wild, and of no use to anyone */
        if (id == 1 && !wide.bytes) wide = ms_cursor_over(p, size);
    }
    for (size_t i = 0; i < n; i++)
        if (*fields[i] == saturated) {
            if (!wide.bytes) return false;
            *fields[i] = ms_cursor_u64(&wide);
        }
    return !wide.failed;
}

/* ---- members ---- */

static bool is_good_name(ms_str name) {
    if (name.size == 0 || name.text[0] == '/' || memchr(name.text, 0, name.size) || !ms_str_is_utf8(name, NULL)) return false;
    for (ms_str rest = name; rest.text;)
        if (ms_str_is(ms_str_cut(&rest, '/'), "..")) return false;
    return true;
}

/* What is wrong with the entry by itself, or NULL. */
static const char *fault_of_entry(const ms_zip_member *m, uint64_t members_end) {
    if (!is_good_name(m->name)) return "its name is empty, absolute, climbs out of its folder or is no UTF-8";
    if (m->method == MS_ZIP_STORED && m->n_packed != m->n_bytes) return "it is stored as it is, but has two different sizes";
    if (m->method == MS_ZIP_DEFLATED && (m->n_bytes > 64 && (m->n_bytes - 64) / DEFLATE_MOST > m->n_packed))
        return "it would unpack to more than deflate can do (1032 : 1)";
    if (m->header_at > members_end || members_end - m->header_at < HEADER_BYTES || m->n_packed > members_end)
        return "it lies outside the part of the file that holds members";
    return NULL;
}

/* What is wrong between the entry and the member's own header, or NULL. bytes: [n] from the header to its end. */
static const char *fault_of_header(const ms_zip_member *m, const uint8_t *bytes, size_t n) {
    ms_cursor c = ms_cursor_over(bytes, n);
    const uint32_t magic = ms_cursor_u32(&c);
    ms_cursor_u16(&c);
    const uint16_t flags = ms_cursor_u16(&c), method = ms_cursor_u16(&c);
    ms_cursor_u32(&c);
    const uint32_t crc = ms_cursor_u32(&c);
    uint64_t n_packed = ms_cursor_u32(&c), n_bytes = ms_cursor_u32(&c);
    const uint16_t n_name = ms_cursor_u16(&c), n_extra = ms_cursor_u16(&c);
    const uint8_t *const name = ms_cursor_take(&c, n_name), *const extra = ms_cursor_take(&c, n_extra);
    if (c.failed || magic != header_magic) return "there is no member header where the directory says";
    if (!ms_str_equal((ms_str){(const char *)name, n_name}, m->name)) return "its own header has another name";
    if (method != m->method) return "its own header has another compression method";
    if (flags != m->flags) return "its own header has other flags";
    if (flags & FLAG_DESCRIPTOR && crc == 0 && (n_packed == 0 || n_packed == saturated)) return NULL; /* they come behind */
    uint64_t *const wide[] = {&n_bytes, &n_packed};
    if (!read_wide(extra, n_extra, wide, 2)) return "its own header has sizes of 64 bits but does not give them";
    if (crc != m->crc || n_packed != m->n_packed || n_bytes != m->n_bytes)
        return "its own header has other sizes or another checksum";
    return NULL;
}

/* Finds where the bytes of the member begin and checks its header. *fault: why it cannot be used, or NULL. */
static ms_status read_member_header(opener *o, ms_zip_member *m, const char **fault) {
    const void *bytes;
    MS_TRY(ms_source_view(o->source, m->header_at, HEADER_BYTES, &o->scratch, &bytes, o->err));
    uint16_t n_name, n_extra;
    memcpy(&n_name, (const char *)bytes + 26, sizeof n_name);
    memcpy(&n_extra, (const char *)bytes + 28, sizeof n_extra);
    const size_t n = (size_t)HEADER_BYTES + n_name + n_extra;
    *fault = "it reaches into the directory of the archive";
    if (!ms_range_inside(m->header_at, n, o->members_end)) return MS_OK;
    m->offset = m->header_at + n;
    if (!ms_range_inside(m->offset, m->n_packed, o->members_end)) return MS_OK;
    MS_TRY(ms_source_view(o->source, m->header_at, n, &o->scratch, &bytes, o->err));
    *fault = fault_of_header(m, bytes, n);
    return MS_OK;
}

/* One entry of the directory. The name is copied before it is looked at: a mapped file may change under us. */
static ms_status read_entry(opener *o, ms_cursor *c, ms_zip_member *m, const char **fault) {
    const uint32_t magic = ms_cursor_u32(c);
    ms_cursor_u16(c);
    const unsigned version = ms_cursor_u16(c) & 0xFF;
    *m = (ms_zip_member){0};
    m->flags = ms_cursor_u16(c);
    m->method = ms_cursor_u16(c);
    ms_cursor_u32(c);
    m->crc = ms_cursor_u32(c);
    m->n_packed = ms_cursor_u32(c);
    m->n_bytes = ms_cursor_u32(c);
    const uint16_t n_name = ms_cursor_u16(c), n_extra = ms_cursor_u16(c), n_comment = ms_cursor_u16(c);
    const uint16_t volume = ms_cursor_u16(c);
    ms_cursor_u16(c), ms_cursor_u32(c);
    m->header_at = ms_cursor_u32(c);
    const uint8_t *const name = ms_cursor_take(c, n_name), *const extra = ms_cursor_take(c, n_extra);
    ms_cursor_take(c, n_comment);
    if (c->failed || magic != entry_magic)
        return BEYOND_USE(o, o->zip->directory_at + c->at, "the directory is cut or damaged");

    m->name = ms_arena_copy(&o->zip->arena, (ms_str){(const char *)name, n_name});
    if (!m->name.text) return ms_err_memory(o->err, "the name of a member");
    uint64_t *const wide[] = {&m->n_bytes, &m->n_packed, &m->header_at};
    *fault = !read_wide(extra, n_extra, wide, 3) ? "it has sizes of 64 bits but does not give them"
             : volume != 0                       ? "it lies in another volume"
             : version > NEWEST_VERSION          ? "it needs a version of the format (above 6.3) that does not exist"
                                                 : fault_of_entry(m, o->members_end);
    return MS_OK;
}

static ms_status keep_member(opener *o, const ms_zip_member *m) {
    bool is_new;
    if (!ms_map_add(&o->by_name, m->name, o->members.n, NULL, &is_new)) return ms_err_memory(o->err, "the names of members");
    if (!is_new)
        return ms_broken(o->rules, o->err, "zip.duplicate", m->name, (int64_t)m->header_at,
                         "this member occurs twice in the archive; which one counts is not defined");
    return MS_VEC_PUSH(&o->members, *m) ? MS_OK : ms_err_memory(o->err, "the list of members");
}

static ms_status read_directory(opener *o) {
    const void *bytes;
    ms_scratch scratch = {0}; /* not the opener's: headers are viewed on the way */
    ms_status status = ms_source_view(o->source, o->zip->directory_at, (size_t)o->zip->n_directory, &scratch, &bytes, o->err);
    ms_cursor c = ms_cursor_over(status == MS_OK ? bytes : NULL, status == MS_OK ? (size_t)o->zip->n_directory : 0);
    for (uint64_t i = 0; i < o->n_entries && status == MS_OK; i++) {
        ms_zip_member m;
        const char *fault = NULL;
        status = read_entry(o, &c, &m, &fault);
        if (status == MS_OK && !fault) status = read_member_header(o, &m, &fault);
        if (status != MS_OK) break;
        const unsigned refused = FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED | FLAG_PATCHED;
        if (!fault && m.flags & refused)
            status = ms_broken_beyond_use(o->rules, o->err, MS_ERR_UNSUPPORTED, m.name, (int64_t)m.header_at,
                                          "this member is encrypted or patched (flags 0x%04X)", m.flags);
        else if (fault)
            status =
                ms_broken(o->rules, o->err, "zip.member", m.name, (int64_t)m.header_at, "this member is broken: %s", fault);
        else status = keep_member(o, &m);
    }
    if (status == MS_OK && ms_cursor_left(&c) > 0)
        status = ms_broken(o->rules, o->err, "zip.directory", MS_STR_NONE, (int64_t)(o->zip->directory_at + c.at),
                           "%zu bytes of the directory belong to no member", ms_cursor_left(&c));
    ms_scratch_free(&scratch);
    return status;
}

static int compare_headers(const void *a, const void *b) {
    const ms_zip_member *const x = *(ms_zip_member *const *)a, *const y = *(ms_zip_member *const *)b;
    return (x->header_at > y->header_at) - (x->header_at < y->header_at);
}

/* No two members share bytes: members over the same bytes make a small file into a large one. */
static ms_status check_overlaps(opener *o) {
    const size_t n = o->members.n;
    if (n < 2) return MS_OK;
    ms_zip_member **const order = ms_mem_alloc_array(n, sizeof *order);
    if (!order) return ms_err_memory(o->err, "the list of members");
    for (size_t i = 0; i < n; i++) order[i] = &o->members.items[i];
    qsort(order, n, sizeof *order, compare_headers);
    ms_status status = MS_OK;
    for (size_t i = 1; i < n && status == MS_OK; i++)
        if (order[i - 1]->offset + order[i - 1]->n_packed > order[i]->header_at)
            status = ms_broken(o->rules, o->err, "zip.overlap", order[i]->name, (int64_t)order[i]->header_at,
                               "this member overlaps member '%s'", ms_str_shown(order[i - 1]->name).text);
    ms_mem_free(order);
    return status;
}

ms_status ms_zip_open(ms_zip *out, ms_source *source, const ms_broken_rules *rules, ms_err *err) {
    *out = (ms_zip){0};
    opener o = {.zip = out, .source = source, .rules = rules, .err = err};
    ms_status status = read_end(&o);
    if (status == MS_OK) status = read_directory(&o);
    if (status == MS_OK) status = check_overlaps(&o);
    ms_scratch_free(&o.scratch);
    ms_map_free(&o.by_name);
    out->members = o.members.items;
    out->n_members = o.members.n;
    if (status != MS_OK) ms_zip_free(out);
    return status;
}

void ms_zip_free(ms_zip *zip) {
    ms_mem_free(zip->members);
    ms_arena_free(&zip->arena);
    *zip = (ms_zip){0};
}

static int compare_places(const void *a, const void *b) {
    const ms_zip_member *const x = a, *const y = b;
    return (x->header_at > y->header_at) - (x->header_at < y->header_at);
}

void ms_zip_sort_by_place(ms_zip *zip) {
    if (zip->n_members > 1) qsort(zip->members, zip->n_members, sizeof *zip->members, compare_places);
}

const ms_zip_member *ms_zip_find(const ms_zip *zip, ms_str name) {
    for (size_t i = 0; i < zip->n_members; i++)
        if (ms_str_equal(zip->members[i].name, name)) return &zip->members[i];
    return NULL;
}

#if MS_HAVE_ZLIB
uint32_t ms_zip_crc(uint32_t crc, const void *bytes, size_t n) { return (uint32_t)crc32_z(crc, bytes, n); }
#else
uint32_t ms_zip_crc(uint32_t crc, const void *bytes, size_t n) {
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0);
    }
    const uint8_t *const p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xFF];
    return ~crc;
}
#endif
