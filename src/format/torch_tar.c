/*
 * A tar archive: for each member a header of 512 bytes, its content, zeros up to a multiple of 512; at the end zeros.
 *
 *   header   name [100] | ... | at 124: size, 12 octal digits, or 0x80 and big-endian bytes | at 148: sum of all bytes, itself
 *            taken as blanks, octal | at 156: kind, '0' or 0 a file, 'x' records about the next one | at 257: "ustar"
 *   records  "LENGTH KEY=VALUE\n", LENGTH in decimal and of the whole record; "size" counts where the header has no room
 */
#include "torch_tar.h"

#include <stdio.h>

#include "checked.h"
#include "cursor.h"
#include "torch_type.h"

enum { BLOCK = 512, SMALL_PICKLE = 1 << 16, MOST_MEMBERS = 64 };
static const uint64_t large_pickle = UINT64_C(1) << 30;

typedef enum part { SYS_INFO, PICKLE, STORAGES, TENSORS, N_PARTS, NO_PART = N_PARTS } part;
static const char *const part_names[N_PARTS] = {"sys_info", "pickle", "storages", "tensors"};

typedef struct reader {
    ms_torch_tar *tar;
    ms_source *source;
    const ms_broken_rules *rules;
    ms_err *err;
    ms_scratch scratch;
    uint64_t begin[N_PARTS], end[N_PARTS]; /* in the file; end 0: not seen yet */
    uint64_t next_size;                    /* of the next member, by records; UINT64_MAX: its header says it */
    uint64_t at;
} reader;

#define DAMAGED(r, at, ...) ms_broken_beyond_use((r)->rules, (r)->err, MS_ERR_DAMAGED, MS_STR_NONE, (int64_t)(at), __VA_ARGS__)

/* ---- members ---- */

static part part_of(const uint8_t *header) {
    ms_str name = {(const char *)header, strnlen((const char *)header, 100)};
    if (ms_str_starts_with(name, MS_STR("./"))) name = ms_str_sub(name, 2, name.size);
    for (int i = 0; i < N_PARTS; i++)
        if (ms_str_is(name, part_names[i])) return (part)i;
    return NO_PART;
}

static bool is_header(const uint8_t *header) { return memcmp(header + 257, "ustar", 5) == 0; }

/* Blanks or zeros around octal digits. */
static bool octal(const uint8_t *p, size_t n, uint64_t *out) {
    size_t i = 0;
    *out = 0;
    while (i < n && p[i] == ' ') i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
        if (*out >> 61) return false;
        else *out = *out << 3 | (uint64_t)(p[i] - '0');
    return i == n || p[i] == ' ' || p[i] == 0;
}

static bool size_of(const uint8_t *header, uint64_t *out) {
    const uint8_t *const p = header + 124;
    if (p[0] != 0x80) return octal(p, 12, out);
    *out = 0;
    for (int i = 1; i < 12; i++)
        if (*out >> 56) return false;
        else *out = *out << 8 | p[i];
    return true;
}

/* One of the four members comes first, perhaps after records about it. */
bool ms_torch_tar_probe(const void *head, size_t n) {
    uint64_t size = 0;
    for (size_t at = 0; at + BLOCK <= n;) {
        const uint8_t *const header = (const uint8_t *)head + at;
        if (!is_header(header)) return false;
        if (header[156] != 'x') return part_of(header) != NO_PART;
        if (!size_of(header, &size) || size > n) return false;
        at += BLOCK + ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
    }
    return false;
}

static bool sum_is_right(const uint8_t *header) {
    uint64_t stated, sum = 0;
    for (int i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : header[i];
    return octal(header + 148, 8, &stated) && stated == sum;
}

static bool is_end(const uint8_t *header) {
    for (int i = 0; i < BLOCK; i++)
        if (header[i]) return false;
    return true;
}

/* The size that the records of an 'x' member give for the next one; *size stays as it is when they give none. */
static bool read_records(ms_str records, uint64_t *size) {
    while (records.size && records.text[0]) {
        int64_t length = 0, value = 0;
        const size_t blank = ms_str_find(records, MS_STR(" "), 0);
        if (blank == SIZE_MAX || !ms_str_to_i64(ms_str_sub(records, 0, blank), &length) || length <= (int64_t)blank + 1 ||
            (uint64_t)length > records.size)
            return false;
        const ms_str record = ms_str_sub(records, blank + 1, (size_t)length - 1);
        if (ms_str_starts_with(record, MS_STR("size="))) {
            if (!ms_str_to_i64(ms_str_sub(record, 5, record.size), &value) || value < 0) return false;
            *size = (uint64_t)value;
        }
        records = ms_str_sub(records, (size_t)length, records.size);
    }
    return true;
}

static ms_status read_extension(reader *r, uint64_t begin, uint64_t size) {
    const void *bytes;
    if (size > SMALL_PICKLE) return DAMAGED(r, begin, "%llu bytes of records about a member", (unsigned long long)size);
    MS_TRY(ms_source_view(r->source, begin, (size_t)size, &r->scratch, &bytes, r->err));
    return read_records((ms_str){bytes, (size_t)size}, &r->next_size) ? MS_OK
                                                                      : DAMAGED(r, begin, "records that cannot be told apart");
}

static ms_status read_member(reader *r, uint64_t *at, bool *ended) {
    const void *bytes;
    uint64_t size, end;
    *ended = true;
    if (!ms_range_inside(*at, BLOCK, r->source->size)) return MS_OK;
    MS_TRY(ms_source_view(r->source, *at, BLOCK, &r->scratch, &bytes, r->err));
    const uint8_t *const header = bytes;
    if (is_end(header)) return MS_OK;
    if (!is_header(header) || !sum_is_right(header) || !size_of(header, &size))
        return DAMAGED(r, *at, "no tar header where one should be, or its checksum is wrong; the file is damaged");
    const uint64_t begin = *at + BLOCK;
    const bool is_extension = header[156] == 'x';
    if (!is_extension && r->next_size != UINT64_MAX) size = r->next_size;
    if (!is_extension) r->next_size = UINT64_MAX;
    if (!ms_add_u64(begin, size, &end) || end > r->source->size)
        return DAMAGED(r, *at, "a member of %llu bytes reaches beyond the end of the file; it is cut short, fetch it again",
                       (unsigned long long)size);
    const part which = header[156] == '0' || header[156] == 0 ? part_of(header) : NO_PART;
    if (which != NO_PART && r->end[which])
        return DAMAGED(r, *at, "member '%s' occurs twice; which one counts is not defined", part_names[which]);
    if (which != NO_PART) r->begin[which] = begin, r->end[which] = end;
    if (is_extension) MS_TRY(read_extension(r, begin, size));
    *ended = false;
    return ms_add_u64(end, (BLOCK - end % BLOCK) % BLOCK, at) ? MS_OK : DAMAGED(r, end, "the archive is too long");
}

static ms_status find_members(reader *r) {
    uint64_t at = 0;
    bool ended = false;
    for (int i = 0; i < MOST_MEMBERS && !ended; i++) MS_TRY(read_member(r, &at, &ended));
    for (int i = 0; i < N_PARTS; i++)
        if (!r->end[i])
            return ms_broken_beyond_use(r->rules, r->err, MS_ERR_DAMAGED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                        "a tar archive without member '%s': no torch file, or cut short", part_names[i]);
    r->tar->pickle_at = r->begin[PICKLE];
    r->tar->n_pickle = r->end[PICKLE] - r->begin[PICKLE];
    return MS_OK;
}

/* ---- what the members hold ---- */

/* The next pickle of a member, at most so long. Its texts are valid until the next view. */
static ms_status next_pickle(reader *r, part where, uint64_t most, ms_pickle *out) {
    const void *bytes;
    const uint64_t left = r->end[where] - r->at, n = left < most ? left : most;
    MS_TRY(ms_source_view(r->source, r->at, (size_t)n, &r->scratch, &bytes, r->err));
    const ms_status status = ms_pickle_read(out, bytes, (size_t)n, 0, r->err);
    if (status != MS_OK)
        return status == MS_ERR_MEMORY
                   ? status
                   : ms_err_within(r->err, status, "%s: byte %llu: member '%s'", ms_str_shown(ms_str_of(r->rules->path)).text,
                                   (unsigned long long)r->at, part_names[where]);
    r->at += out->n_bytes;
    return MS_OK;
}

/* A pickle of one number. */
static ms_status read_count(reader *r, part where, uint64_t *out) {
    ms_pickle p;
    int64_t n = -1;
    r->at = r->begin[where];
    MS_TRY(next_pickle(r, where, SMALL_PICKLE, &p));
    ms_pickle_int(&p, p.root, &n);
    ms_pickle_free(&p);
    *out = (uint64_t)n;
    return n >= 0 ? MS_OK : DAMAGED(r, r->begin[where], "member '%s' does not begin with a number", part_names[where]);
}

/* n bytes of a member that are no pickle. */
static ms_status plain_bytes(reader *r, part where, size_t n, ms_cursor *out) {
    const void *bytes;
    if (r->end[where] - r->at < n) return DAMAGED(r, r->at, "member '%s' ends too early", part_names[where]);
    MS_TRY(ms_source_view(r->source, r->at, n, &r->scratch, &bytes, r->err));
    *out = ms_cursor_over(bytes, n);
    r->at += n;
    return MS_OK;
}

/* Key i of a tuple, in decimal; text NULL: it is none. */
static ms_status key_at(reader *r, const ms_pickle *p, ms_pref tuple, size_t i, ms_str *out) {
    int64_t number;
    const ms_pref ref = ms_pickle_item(p, tuple, i);
    *out = ms_pickle_text(p, ref);
    if (ms_pickle_int(p, ref, &number)) *out = ms_arena_printf(&r->tar->arena, "%lld", (long long)number);
    else if (!out->text) return MS_OK;
    else *out = ms_arena_copy(&r->tar->arena, *out);
    return out->text ? MS_OK : ms_err_memory(r->err, "a key");
}

/* The name of a class in a tuple; "" when it is none. */
static ms_status class_at(reader *r, const ms_pickle *p, ms_pref tuple, size_t i, ms_str *out) {
    const ms_pref ref = ms_pickle_item(p, tuple, i);
    const bool is_name = ref != MS_PREF_NONE && ms_pickle_node(p, ref)->kind == MS_PNODE_GLOBAL;
    *out = ms_arena_copy(&r->tar->arena, is_name ? ms_pickle_node(p, ref)->global.name : MS_STR(""));
    return out->text ? MS_OK : ms_err_memory(r->err, "the name of a class");
}

static ms_status keep_storage(reader *r, ms_torch_storage s, uint64_t at) {
    ms_torch_tar *const tar = r->tar;
    bool is_new;
    if (!ms_map_add(&tar->by_key, s.key, tar->storages.n, NULL, &is_new) || !MS_VEC_PUSH(&tar->storages, s))
        return ms_err_memory(r->err, "the storages");
    return is_new ? MS_OK : DAMAGED(r, at, "two storages have the key '%s'", ms_str_shown(s.key).text);
}

/* (key, location, class) */
static ms_status describe_storage(reader *r, ms_torch_storage *s) {
    ms_pickle p;
    MS_TRY(next_pickle(r, STORAGES, SMALL_PICKLE, &p));
    ms_status status = key_at(r, &p, p.root, 0, &s->key);
    if (status == MS_OK) status = class_at(r, &p, p.root, 2, &s->type);
    ms_pickle_free(&p);
    return status;
}

static ms_status read_storage(reader *r) {
    ms_cursor c;
    ms_torch_storage s = {0};
    const uint64_t at = r->at;
    MS_TRY(describe_storage(r, &s));
    if (!s.key.text) return DAMAGED(r, at, "a storage is expected: (key, location, class)");
    MS_TRY(plain_bytes(r, STORAGES, 8, &c));
    s.n = ms_cursor_u64(&c);
    s.offset = r->at;
    const size_t item = ms_torch_type_of(s.type).item;
    if (!item || s.n > INT64_MAX || !ms_mul_u64(s.n, item, &s.n_bytes) || s.n_bytes > r->end[STORAGES] - r->at)
        return DAMAGED(r, at, "storage '%s' of %llu elements of %s does not fit into the file; it is cut short or damaged",
                       ms_str_shown(s.key).text, (unsigned long long)s.n, ms_str_shown(s.type).text);
    r->at += s.n_bytes;
    return keep_storage(r, s, at);
}

/* (key, key of the root, offset, count): a part of another storage under a key of its own. */
static ms_status add_view(reader *r, const ms_pickle *p, ms_pref tuple, uint64_t at) {
    ms_str key, root_key;
    MS_TRY(key_at(r, p, tuple, 0, &key));
    MS_TRY(key_at(r, p, tuple, 1, &root_key));
    const size_t *const found = root_key.text ? ms_map_find(&r->tar->by_key, root_key) : NULL;
    int64_t offset = -1, n = -1;
    ms_pickle_int(p, ms_pickle_item(p, tuple, 2), &offset);
    ms_pickle_int(p, ms_pickle_item(p, tuple, 3), &n);
    if (!key.text || !found || offset < 0 || n < 0)
        return DAMAGED(r, at, "a view of a storage is expected: (key, key of the root, offset, count)");
    ms_torch_storage s = r->tar->storages.items[*found];
    if (!ms_range_inside((uint64_t)offset, (uint64_t)n, s.n))
        return DAMAGED(r, at, "view '%s' lies outside its storage", ms_str_shown(key).text);
    const uint64_t item = ms_torch_type_of(s.type).item;
    s.key = key, s.n = (uint64_t)n, s.n_bytes = s.n * item, s.offset += (uint64_t)offset * item;
    return keep_storage(r, s, at);
}

static ms_status read_storages(reader *r) {
    uint64_t n;
    ms_pickle p;
    MS_TRY(read_count(r, STORAGES, &n));
    for (uint64_t i = 0; i < n; i++) MS_TRY(read_storage(r));
    const uint64_t at = r->at;
    MS_TRY(next_pickle(r, STORAGES, large_pickle, &p));
    const ms_pnode *const list = ms_pickle_node(&p, p.root);
    ms_status status = MS_OK;
    for (uint32_t i = 0; list->kind == MS_PNODE_LIST && i < list->n_items && status == MS_OK; i++)
        status = add_view(r, &p, list->items[i], at);
    ms_pickle_free(&p);
    return status;
}

static ms_status read_layout(reader *r, ms_torch_tensor *t) {
    ms_cursor c;
    const uint64_t at = r->at;
    MS_TRY(plain_bytes(r, TENSORS, 8, &c));
    t->rank = ms_cursor_u32(&c);
    if (t->rank > MS_STRIDED_MAX_RANK) return DAMAGED(r, at, "a tensor of %u axes; at most 32 are read", t->rank);
    MS_TRY(plain_bytes(r, TENSORS, (2 * t->rank + 1) * sizeof(uint64_t), &c));
    bool sound = true;
    for (uint32_t i = 0; i < 2 * t->rank + 1; i++) {
        const uint64_t value = ms_cursor_u64(&c);
        sound = sound && value <= INT64_MAX;
        if (i < t->rank) t->shape[i] = value;
        else if (i < 2 * t->rank) t->strides[i - t->rank] = value;
        else t->offset = value;
    }
    return sound ? MS_OK : DAMAGED(r, at, "a tensor with a negative extent, stride or offset");
}

static ms_status read_tensor(reader *r) {
    ms_pickle p;
    ms_str key = MS_STR_NONE;
    bool is_new;
    ms_torch_tensor t = {0};
    const uint64_t at = r->at;
    ms_torch_given *const given = &r->tar->given;
    MS_TRY(next_pickle(r, TENSORS, SMALL_PICKLE, &p));
    ms_status status = key_at(r, &p, p.root, 0, &key);
    if (status == MS_OK) status = key_at(r, &p, p.root, 1, &t.storage);
    ms_pickle_free(&p);
    MS_TRY(status);
    MS_TRY(read_layout(r, &t));
    const size_t *const found = t.storage.text ? ms_map_find(&r->tar->by_key, t.storage) : NULL;
    if (!key.text || !found) return DAMAGED(r, at, "a tensor without a key, or of a storage that is not in the file");
    const ms_torch_storage *const s = &r->tar->storages.items[*found];
    const ms_torch_type type = ms_torch_type_of(s->type);
    t.type = s->type, t.dtype = type.dtype, t.item = type.item, t.n_storage = (int64_t)s->n;
    if (!ms_map_add(&given->by_key, key, given->tensors.n, NULL, &is_new) || !MS_VEC_PUSH(&given->tensors, t))
        return ms_err_memory(r->err, "the tensors");
    return is_new ? MS_OK : DAMAGED(r, at, "two tensors have the key '%s'", ms_str_shown(key).text);
}

static ms_status read_tensors(reader *r) {
    uint64_t n;
    MS_TRY(read_count(r, TENSORS, &n));
    for (uint64_t i = 0; i < n; i++) MS_TRY(read_tensor(r));
    return MS_OK;
}

static ms_status check_system(reader *r) {
    ms_pickle p;
    int64_t is_little = 1;
    r->at = r->begin[SYS_INFO];
    MS_TRY(next_pickle(r, SYS_INFO, SMALL_PICKLE, &p));
    ms_pickle_int(&p, ms_pickle_get(&p, p.root, "little_endian"), &is_little);
    ms_pickle_free(&p);
    if (is_little) return MS_OK;
    return ms_broken_beyond_use(r->rules, r->err, MS_ERR_UNSUPPORTED, MS_STR_NONE, (int64_t)r->begin[SYS_INFO],
                                "a big-endian file; save it again on a usual machine");
}

ms_status ms_torch_tar_read(ms_torch_tar *out, ms_source *source, const ms_broken_rules *rules, ms_err *err) {
    *out = (ms_torch_tar){0};
    reader r = {.tar = out, .source = source, .rules = rules, .err = err, .next_size = UINT64_MAX};
    ms_status status = find_members(&r);
    if (status == MS_OK) status = check_system(&r);
    if (status == MS_OK) status = read_storages(&r);
    if (status == MS_OK) status = read_tensors(&r);
    ms_scratch_free(&r.scratch);
    return status;
}

void ms_torch_tar_free(ms_torch_tar *tar) {
    MS_VEC_FREE(&tar->storages);
    MS_VEC_FREE(&tar->given.tensors);
    ms_map_free(&tar->by_key);
    ms_map_free(&tar->given.by_key);
    ms_arena_free(&tar->arena);
}
