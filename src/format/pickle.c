/*
 * Pickles: a stack machine. Opcodes are one byte; integers little-endian, BINFLOAT big-endian. Sizes in brackets.
 *
 *   80 PROTO [1]     95 FRAME [8] skipped     2E STOP                28 MARK  30 POP  31 POP_MARK  32 DUP
 *   4B 4D 4A ints [1, 2, 4 signed]            8A 8B LONG [1, 4] + bytes            49 INT, 4C LONG: text lines
 *   47 BINFLOAT [8]  46 FLOAT: line           4E NONE  88 TRUE  89 FALSE
 *   58 8C 8D text [4, 1, 8] + UTF-8           56 UNICODE: line       53 STRING: quoted line   54 55 STRING [4, 1]
 *   42 43 8E 96 bytes [4, 1, 8, 8]            5D LIST 6C  61 APPEND 65 APPENDS     29 74 85-87 TUPLE      7D 64 DICT  73 75
 * SETITEM(S) 8F EMPTY_SET 90 ADDITEMS 91 FROZENSET     70 71 72 94 PUT [line, 1, 4, -]      67 68 6A GET [line, 1, 4] 63
 * GLOBAL: two lines   93 STACK_GLOBAL    52 REDUCE  62 BUILD  81 NEWOBJ  92 NEWOBJ_EX  69 INST: two lines  6F OBJ 50 PERSID:
 * line  51 BINPERSID             82 83 84 EXT, 97 98 buffers: refused
 *
 * Source: CPython 3.13, Lib/pickle.py and Lib/pickletools.py.
 */
#include "pickle.h"

#include <stdlib.h>

#include "cursor.h"

enum { LEAST_BUDGET = 16 << 20, BUDGET_FACTOR = 64, MOST_STACK = 1 << 24 };
#define MOST_BUDGET ((size_t)4 << 30)
#define MARK_REF (UINT32_MAX - 1) /* on the stack only */

typedef struct memo_slot {
    uint32_t index;
    ms_pref node;
} memo_slot;

typedef struct machine {
    ms_pickle *p;
    ms_cursor c;
    ms_err *err;
    size_t at; /* of the opcode being done */
    uint8_t opcode;
    MS_VEC(ms_pref) stack;
    memo_slot *memo; /* [n_memo_slots], open addressing; node MS_PREF_NONE: free */
    size_t n_memo_slots, n_memo;
} machine;

static ms_status broken(machine *m, const char *what) {
    return ms_err_set(m->err, MS_ERR_DAMAGED, "pickle, byte %zu: opcode 0x%02X: %s", m->at, m->opcode, what);
}

static ms_status short_of_memory(machine *m) {
    return ms_err_set(m->err, MS_ERR_MEMORY, "pickle, byte %zu: it needs more memory than its budget allows", m->at);
}

/* ---- nodes and stack ---- */

static ms_status push(machine *m, ms_pref ref) {
    if (m->stack.n >= MOST_STACK) return broken(m, "the stack is too deep");
    return MS_VEC_PUSH(&m->stack, ref) ? MS_OK : short_of_memory(m);
}

static ms_status make(machine *m, ms_pnode node, ms_pref *out) {
    ms_pickle *const p = m->p;
    node.at = m->at < UINT32_MAX ? (uint32_t)m->at : UINT32_MAX;
    if (p->nodes.n >= MARK_REF || p->nodes.n * sizeof node + p->arena.n_bytes > p->arena.budget) return short_of_memory(m);
    if (!MS_VEC_PUSH(&p->nodes, node)) return short_of_memory(m);
    *out = (ms_pref)(p->nodes.n - 1);
    return MS_OK;
}

static ms_status push_new(machine *m, ms_pnode node) {
    ms_pref ref = MS_PREF_NONE;
    MS_TRY(make(m, node, &ref));
    return push(m, ref);
}

static ms_status pop(machine *m, ms_pref *out) {
    if (m->stack.n == 0 || m->stack.items[m->stack.n - 1] == MARK_REF) return broken(m, "the stack is empty");
    *out = m->stack.items[--m->stack.n];
    return MS_OK;
}

static ms_status top(machine *m, ms_pref *out) {
    if (m->stack.n == 0 || m->stack.items[m->stack.n - 1] == MARK_REF) return broken(m, "the stack is empty");
    *out = m->stack.items[m->stack.n - 1];
    return MS_OK;
}

/* Where the items above the last mark begin. */
static ms_status find_mark(machine *m, size_t *first) {
    for (size_t i = m->stack.n; i > 0; i--)
        if (m->stack.items[i - 1] == MARK_REF) return *first = i, MS_OK;
    return broken(m, "there is no mark");
}

static ms_status add_items(machine *m, ms_pref to, const ms_pref *items, size_t n) {
    ms_pnode *const node = &m->p->nodes.items[to];
    if (n > UINT32_MAX - node->n_items) return short_of_memory(m);
    if (node->n_items + n > node->capacity) {
        const size_t doubled = (size_t)node->capacity * 2, needed = node->n_items + n;
        const size_t capacity = doubled > needed ? doubled : needed;
        if (capacity > UINT32_MAX) return short_of_memory(m);
        ms_pref *const grown = ms_arena_alloc_array(&m->p->arena, capacity, sizeof *grown);
        if (!grown) return short_of_memory(m);
        if (node->n_items) memcpy(grown, node->items, node->n_items * sizeof *grown);
        node->items = grown;
        node->capacity = (uint32_t)capacity;
    }
    if (n) memcpy(node->items + node->n_items, items, n * sizeof *items);
    node->n_items += (uint32_t)n;
    return MS_OK;
}

/* A container of what lies above the last mark, pushed in its place. */
static ms_status collect(machine *m, ms_pnode_kind kind) {
    size_t first = 1;
    ms_pref made = MS_PREF_NONE;
    MS_TRY(find_mark(m, &first));
    if (kind == MS_PNODE_DICT && (m->stack.n - first) % 2) return broken(m, "a dict of an odd number of items");
    MS_TRY(make(m, (ms_pnode){.kind = kind}, &made));
    MS_TRY(add_items(m, made, m->stack.items + first, m->stack.n - first));
    m->stack.n = first - 1;
    return push(m, made);
}

static ms_status tuple_of(machine *m, size_t n) {
    ms_pref made = MS_PREF_NONE, items[3];
    for (size_t i = n; i > 0; i--) MS_TRY(pop(m, &items[i - 1]));
    MS_TRY(make(m, (ms_pnode){.kind = MS_PNODE_TUPLE}, &made));
    MS_TRY(add_items(m, made, items, n));
    return push(m, made);
}

/* Items above the mark (or the last n) go into the container below them. */
static ms_status add_to_container(machine *m, size_t first, bool pairs) {
    if (first == 0 || m->stack.items[first - 1] == MARK_REF) return broken(m, "there is nothing to add to");
    const ms_pref to = m->stack.items[first - 1];
    const size_t n = m->stack.n - first;
    ms_pnode *const node = &m->p->nodes.items[to];
    const bool fits = node->kind == MS_PNODE_CALL ||
                      (pairs ? node->kind == MS_PNODE_DICT : node->kind == MS_PNODE_LIST || node->kind == MS_PNODE_SET);
    if (!fits) return broken(m, "items for something that holds none");
    if (pairs && n % 2) return broken(m, "a key without a value");
    if (node->kind == MS_PNODE_CALL) node->items_are_pairs = pairs;
    MS_TRY(add_items(m, to, m->stack.items + first, n));
    m->stack.n = first;
    return MS_OK;
}

static ms_status add_marked(machine *m, bool pairs) {
    size_t first = 1;
    MS_TRY(find_mark(m, &first));
    if (first < 2) return broken(m, "there is nothing to add to");
    memmove(m->stack.items + first - 1, m->stack.items + first,
            (m->stack.n - first) * sizeof *m->stack.items); /* the mark goes */
    m->stack.n--;
    return add_to_container(m, first - 1, pairs);
}

static ms_status add_last(machine *m, size_t n, bool pairs) {
    if (m->stack.n <= n) return broken(m, "the stack is empty");
    for (size_t i = 0; i < n; i++)
        if (m->stack.items[m->stack.n - 1 - i] == MARK_REF) return broken(m, "the stack is empty");
    return add_to_container(m, m->stack.n - n, pairs);
}

/* ---- memo ---- */

static memo_slot *memo_find(const machine *m, uint32_t index) {
    for (size_t i = (index * 0x9E3779B1u) & (m->n_memo_slots - 1);; i = (i + 1) & (m->n_memo_slots - 1))
        if (m->memo[i].node == MS_PREF_NONE || m->memo[i].index == index) return &m->memo[i];
}

static ms_status memo_put(machine *m, uint32_t index, ms_pref node) {
    if (m->n_memo + 1 > m->n_memo_slots / 4 * 3) {
        machine bigger = *m;
        bigger.n_memo_slots = m->n_memo_slots ? m->n_memo_slots * 2 : 256;
        bigger.memo = ms_mem_alloc_array(bigger.n_memo_slots, sizeof *bigger.memo);
        if (!bigger.memo) return short_of_memory(m);
        for (size_t i = 0; i < bigger.n_memo_slots; i++) bigger.memo[i] = (memo_slot){.node = MS_PREF_NONE};
        for (size_t i = 0; i < m->n_memo_slots; i++)
            if (m->memo[i].node != MS_PREF_NONE) *memo_find(&bigger, m->memo[i].index) = m->memo[i];
        ms_mem_free(m->memo);
        m->memo = bigger.memo, m->n_memo_slots = bigger.n_memo_slots;
    }
    memo_slot *const slot = memo_find(m, index);
    m->n_memo += slot->node == MS_PREF_NONE;
    *slot = (memo_slot){index, node};
    return MS_OK;
}

static ms_status memo_get(machine *m, uint32_t index) {
    const memo_slot *const slot = m->n_memo ? memo_find(m, index) : NULL;
    if (!slot || slot->node == MS_PREF_NONE) return broken(m, "nothing was stored under that memo number");
    return push(m, slot->node);
}

static ms_status put_top(machine *m, uint32_t index) {
    ms_pref ref = MS_PREF_NONE;
    MS_TRY(top(m, &ref));
    return memo_put(m, index, ref);
}

/* ---- literals ---- */

static ms_status line(machine *m, ms_str *out) {
    const char *const begin = (const char *)m->c.bytes + m->c.at;
    const char *const end = memchr(begin, '\n', ms_cursor_left(&m->c));
    if (!end) return broken(m, "its line has no end");
    *out = (ms_str){begin, (size_t)(end - begin)};
    m->c.at += out->size + 1;
    if (out->size && out->text[out->size - 1] == '\r') out->size--;
    return MS_OK;
}

static ms_status bytes_of(machine *m, int n_length, ms_str *out) {
    uint64_t n = 0;
    const uint8_t *const length = ms_cursor_take(&m->c, (size_t)n_length);
    if (length) memcpy(&n, length, (size_t)n_length);
    const uint8_t *const bytes = n <= ms_cursor_left(&m->c) ? ms_cursor_take(&m->c, (size_t)n) : NULL;
    if (!length || !bytes) return broken(m, "it is longer than what is left of the file");
    *out = (ms_str){(const char *)bytes, (size_t)n};
    return MS_OK;
}

static ms_status literal(machine *m, ms_pnode_kind kind, int n_length) {
    ms_pnode node = {.kind = kind};
    MS_TRY(bytes_of(m, n_length, &node.text));
    return push_new(m, node);
}

static ms_status integer(machine *m, int64_t value) { return push_new(m, (ms_pnode){.kind = MS_PNODE_INT, .integer = value}); }

/* Two's complement, little-endian, any length. */
static ms_status long_bytes(machine *m, int n_length) {
    ms_str bytes = MS_STR_NONE;
    MS_TRY(bytes_of(m, n_length, &bytes));
    if (bytes.size > 8) return push_new(m, (ms_pnode){.kind = MS_PNODE_BIG_INT, .text = bytes});
    const bool negative = bytes.size > 0 && (uint8_t)bytes.text[bytes.size - 1] >= 0x80;
    uint64_t value = negative ? UINT64_MAX : 0;
    if (bytes.size) memcpy(&value, bytes.text, bytes.size);
    return integer(m, (int64_t)value);
}

static ms_status int_line(machine *m) {
    ms_str text = MS_STR_NONE;
    int64_t value = 0;
    MS_TRY(line(m, &text));
    if (m->opcode == 'I' && (ms_str_is(text, "00") || ms_str_is(text, "01")))
        return push_new(m, (ms_pnode){.kind = MS_PNODE_BOOL, .boolean = text.text[1] == '1'});
    if (text.size > 0 && text.text[text.size - 1] == 'L') text.size--;
    if (ms_str_to_i64(text, &value)) return integer(m, value);
    for (size_t i = 0; i < text.size; i++)
        if ((text.text[i] < '0' || text.text[i] > '9') && !(i == 0 && text.text[i] == '-')) return broken(m, "not a number");
    return text.size ? push_new(m, (ms_pnode){.kind = MS_PNODE_BIG_INT, .text = text}) : broken(m, "not a number");
}

static ms_status float_line(machine *m) {
    ms_str text = MS_STR_NONE;
    char copy[64];
    MS_TRY(line(m, &text));
    if (text.size == 0 || text.size >= sizeof copy) return broken(m, "not a number");
    memcpy(copy, text.text, text.size);
    copy[text.size] = 0;
    char *end;
    const double value = strtod(copy, &end);
    return *end ? broken(m, "not a number") : push_new(m, (ms_pnode){.kind = MS_PNODE_FLOAT, .real = value});
}

static ms_status binfloat(machine *m) {
    const uint8_t *const bytes = ms_cursor_take(&m->c, 8);
    if (!bytes) return broken(m, "it is longer than what is left of the file");
    uint64_t bits;
    double value;
    memcpy(&bits, bytes, 8);
    bits = __builtin_bswap64(bits);
    memcpy(&value, &bits, 8);
    return push_new(m, (ms_pnode){.kind = MS_PNODE_FLOAT, .real = value});
}

/* STRING: a quoted line; escapes stay as they are written. */
static ms_status quoted_line(machine *m) {
    ms_str text = MS_STR_NONE;
    MS_TRY(line(m, &text));
    if (text.size < 2 || (text.text[0] != '\'' && text.text[0] != '"') || text.text[text.size - 1] != text.text[0])
        return broken(m, "the string is not quoted");
    return push_new(m, (ms_pnode){.kind = MS_PNODE_STR, .text = ms_str_sub(text, 1, text.size - 1)});
}

/* ---- objects ---- */

static ms_status global_of(machine *m, ms_str module, ms_str name) {
    ms_pnode node = {.kind = MS_PNODE_GLOBAL};
    node.global.module = module, node.global.name = name;
    m->p->n_globals++;
    return push_new(m, node);
}

static ms_status stack_global(machine *m) {
    ms_pref name = MS_PREF_NONE, module = MS_PREF_NONE;
    MS_TRY(pop(m, &name));
    MS_TRY(pop(m, &module));
    const ms_pnode *const n = ms_pickle_node(m->p, name), *const o = ms_pickle_node(m->p, module);
    if (n->kind != MS_PNODE_STR || o->kind != MS_PNODE_STR) return broken(m, "module and name must be texts");
    return global_of(m, o->text, n->text);
}

static ms_status call(machine *m, ms_pref callee, ms_pref args, ms_pref kwargs) {
    ms_pnode node = {.kind = MS_PNODE_CALL};
    node.call.callee = callee, node.call.args = args, node.call.kwargs = kwargs, node.call.state = MS_PREF_NONE;
    return push_new(m, node);
}

static ms_status reduce(machine *m, bool has_kwargs) {
    ms_pref callee = MS_PREF_NONE, args = MS_PREF_NONE, kwargs = MS_PREF_NONE;
    if (has_kwargs) MS_TRY(pop(m, &kwargs));
    MS_TRY(pop(m, &args));
    MS_TRY(pop(m, &callee));
    return call(m, callee, args, kwargs);
}

/* INST: MARK args.. with the class in two lines; OBJ: MARK class args... */
static ms_status inst_or_obj(machine *m, bool has_lines) {
    size_t first = 1;
    ms_pref callee = MS_PREF_NONE, args = MS_PREF_NONE;
    MS_TRY(find_mark(m, &first));
    if (has_lines) {
        ms_str module = MS_STR_NONE, name = MS_STR_NONE;
        MS_TRY(line(m, &module));
        MS_TRY(line(m, &name));
        MS_TRY(global_of(m, module, name));
        MS_TRY(pop(m, &callee));
    } else {
        if (m->stack.n == first) return broken(m, "there is no class");
        callee = m->stack.items[first++];
    }
    MS_TRY(make(m, (ms_pnode){.kind = MS_PNODE_TUPLE}, &args));
    MS_TRY(add_items(m, args, m->stack.items + first, m->stack.n - first));
    m->stack.n = first - (has_lines ? 1 : 2);
    return call(m, callee, args, MS_PREF_NONE);
}

/* The state goes to the object; one that is no call (an OrderedDict written as dict, say) drops it. */
static ms_status build(machine *m) {
    ms_pref state = MS_PREF_NONE, object = MS_PREF_NONE;
    MS_TRY(pop(m, &state));
    MS_TRY(top(m, &object));
    ms_pnode *const node = &m->p->nodes.items[object];
    if (node->kind == MS_PNODE_CALL) node->call.state = state;
    return MS_OK;
}

static ms_status persistent(machine *m, bool has_line) {
    ms_pref id = MS_PREF_NONE, made = MS_PREF_NONE;
    if (has_line) {
        ms_str text;
        MS_TRY(line(m, &text));
        MS_TRY(make(m, (ms_pnode){.kind = MS_PNODE_STR, .text = text}, &id));
    } else {
        MS_TRY(pop(m, &id));
    }
    MS_TRY(make(m, (ms_pnode){.kind = MS_PNODE_PERSISTENT}, &made));
    MS_TRY(add_items(m, made, &id, 1));
    return push(m, made);
}

static ms_status two_lines(machine *m) {
    ms_str module = MS_STR_NONE, name = MS_STR_NONE;
    MS_TRY(line(m, &module));
    MS_TRY(line(m, &name));
    return global_of(m, module, name);
}

static ms_status memo_line(machine *m, uint32_t *index) {
    ms_str text = MS_STR_NONE;
    int64_t value = 0;
    MS_TRY(line(m, &text));
    if (!ms_str_to_i64(text, &value) || value < 0 || value > UINT32_MAX) return broken(m, "not a memo number");
    *index = (uint32_t)value;
    return MS_OK;
}

/* ---- opcodes ---- */

static ms_status do_pop(machine *m) {
    if (m->stack.n == 0) return broken(m, "the stack is empty");
    m->stack.n--; /* a mark too */
    return MS_OK;
}

static ms_status do_dup(machine *m) {
    ms_pref ref = MS_PREF_NONE;
    MS_TRY(top(m, &ref));
    return push(m, ref);
}

static ms_status do_pop_mark(machine *m) {
    size_t first = 1;
    MS_TRY(find_mark(m, &first));
    m->stack.n = first - 1;
    return MS_OK;
}

static ms_status text_line(machine *m) {
    ms_pnode node = {.kind = MS_PNODE_STR};
    MS_TRY(line(m, &node.text));
    return push_new(m, node);
}

static ms_status constant(machine *m, ms_pnode_kind kind, bool value) {
    return push_new(m, (ms_pnode){.kind = kind, .boolean = value});
}

/* Literals, containers. *known: the opcode is one of these. */
static ms_status do_value(machine *m, bool *known) {
    uint32_t index = 0;
    *known = true;
    switch (m->opcode) {
    case 0x80: m->p->protocol = ms_cursor_u8(&m->c); return m->p->protocol <= 5 ? MS_OK : broken(m, "protocols 0 to 5 exist");
    case 0x95: ms_cursor_u64(&m->c); return MS_OK;
    case 'K': return integer(m, ms_cursor_u8(&m->c));
    case 'M': return integer(m, ms_cursor_u16(&m->c));
    case 'J': return integer(m, (int32_t)ms_cursor_u32(&m->c));
    case 0x8A: return long_bytes(m, 1);
    case 0x8B: return long_bytes(m, 4);
    case 'I':
    case 'L': return int_line(m);
    case 'G': return binfloat(m);
    case 'F': return float_line(m);
    case 'N': return constant(m, MS_PNODE_NONE, false);
    case 0x88: return constant(m, MS_PNODE_BOOL, true);
    case 0x89: return constant(m, MS_PNODE_BOOL, false);
    case 'X':
    case 'T': return literal(m, MS_PNODE_STR, 4);
    case 0x8C:
    case 'U': return literal(m, MS_PNODE_STR, 1);
    case 0x8D: return literal(m, MS_PNODE_STR, 8);
    case 'V': return text_line(m);
    case 'S': return quoted_line(m);
    case 'C': return literal(m, MS_PNODE_BYTES, 1);
    case 'B': return literal(m, MS_PNODE_BYTES, 4);
    case 0x8E:
    case 0x96: return literal(m, MS_PNODE_BYTES, 8);
    case ']': return constant(m, MS_PNODE_LIST, false);
    case ')': return constant(m, MS_PNODE_TUPLE, false);
    case '}': return constant(m, MS_PNODE_DICT, false);
    case 0x8F: return constant(m, MS_PNODE_SET, false);
    case 'l': return collect(m, MS_PNODE_LIST);
    case 't': return collect(m, MS_PNODE_TUPLE);
    case 'd': return collect(m, MS_PNODE_DICT);
    case 0x91: return collect(m, MS_PNODE_SET);
    case 0x85: return tuple_of(m, 1);
    case 0x86: return tuple_of(m, 2);
    case 0x87: return tuple_of(m, 3);
    case 'p': MS_TRY(memo_line(m, &index)); return put_top(m, index);
    case 'g': MS_TRY(memo_line(m, &index)); return memo_get(m, index);
    default: *known = false; return MS_OK;
    }
}

static ms_status do_machine(machine *m) {
    switch (m->opcode) {
    case 'a': return add_last(m, 1, false);
    case 's': return add_last(m, 2, true);
    case 'e':
    case 0x90: return add_marked(m, false);
    case 'u': return add_marked(m, true);
    case '(': return push(m, MARK_REF);
    case '0': return do_pop(m);
    case '1': return do_pop_mark(m);
    case '2': return do_dup(m);
    case 'h': return memo_get(m, ms_cursor_u8(&m->c));
    case 'j': return memo_get(m, ms_cursor_u32(&m->c));
    case 'q': return put_top(m, ms_cursor_u8(&m->c));
    case 'r': return put_top(m, ms_cursor_u32(&m->c));
    case 0x94: return put_top(m, (uint32_t)m->n_memo);
    case 'c': return two_lines(m);
    case 0x93: return stack_global(m);
    case 'R':
    case 0x81: return reduce(m, false);
    case 0x92: return reduce(m, true);
    case 'b': return build(m);
    case 'i': return inst_or_obj(m, true);
    case 'o': return inst_or_obj(m, false);
    case 'P': return persistent(m, true);
    case 'Q': return persistent(m, false);
    case 0x82:
    case 0x83:
    case 0x84:
    case 0x97:
    case 0x98:
        return ms_err_set(m->err, MS_ERR_UNSUPPORTED,
                          "pickle, byte %zu: opcode 0x%02X: extension codes and buffers from outside have no meaning in a file",
                          m->at, m->opcode);
    default: return broken(m, "there is no such opcode");
    }
}

static ms_status run(machine *m) {
    for (;;) {
        m->at = m->c.at;
        m->opcode = ms_cursor_u8(&m->c);
        if (m->c.failed) return broken(m, "the file ends before STOP");
        if (m->p->first_use[m->opcode] == SIZE_MAX) m->p->first_use[m->opcode] = m->at;
        if (m->opcode == '.') break;
        bool known;
        MS_TRY(do_value(m, &known));
        if (!known) MS_TRY(do_machine(m));
        if (m->c.failed) return broken(m, "it is longer than what is left of the file");
    }
    MS_TRY(pop(m, &m->p->root));
    m->p->n_bytes = m->c.at;
    return MS_OK;
}

ms_status ms_pickle_read(ms_pickle *out, const void *bytes, size_t n, size_t budget, ms_err *err) {
    if (budget == 0) {
        budget = n < MOST_BUDGET / BUDGET_FACTOR ? n * BUDGET_FACTOR : MOST_BUDGET;
        if (budget < LEAST_BUDGET) budget = LEAST_BUDGET;
    }
    *out = (ms_pickle){.arena = {.budget = budget}, .root = MS_PREF_NONE};
    memset(out->first_use, 0xFF, sizeof out->first_use); /* SIZE_MAX */
    machine m = {.p = out, .c = ms_cursor_over(bytes, n), .err = err};
    const ms_status status = run(&m);
    MS_VEC_FREE(&m.stack);
    ms_mem_free(m.memo);
    if (status != MS_OK) ms_pickle_free(out);
    return status;
}

void ms_pickle_free(ms_pickle *pickle) {
    MS_VEC_FREE(&pickle->nodes);
    ms_arena_free(&pickle->arena);
}

/* ---- looking ---- */

ms_pref ms_pickle_get(const ms_pickle *pickle, ms_pref dict, const char *key) {
    if (dict == MS_PREF_NONE) return MS_PREF_NONE;
    const ms_pnode *const node = ms_pickle_node(pickle, dict);
    const bool pairs = node->kind == MS_PNODE_DICT || (node->kind == MS_PNODE_CALL && node->items_are_pairs);
    for (uint32_t i = pairs ? node->n_items / 2 * 2 : 0; i >= 2; i -= 2)
        if (ms_str_is(ms_pickle_text(pickle, node->items[i - 2]), key)) return node->items[i - 1];
    return MS_PREF_NONE;
}

ms_pref ms_pickle_item(const ms_pickle *pickle, ms_pref sequence, size_t i) {
    if (sequence == MS_PREF_NONE) return MS_PREF_NONE;
    const ms_pnode *const node = ms_pickle_node(pickle, sequence);
    const bool is_sequence = node->kind == MS_PNODE_TUPLE || node->kind == MS_PNODE_LIST;
    return is_sequence && i < node->n_items ? node->items[i] : MS_PREF_NONE;
}

bool ms_pickle_is_global(const ms_pickle *pickle, ms_pref ref, const char *module, const char *name) {
    if (ref == MS_PREF_NONE) return false;
    const ms_pnode *const node = ms_pickle_node(pickle, ref);
    return node->kind == MS_PNODE_GLOBAL && ms_str_is(node->global.module, module) && ms_str_is(node->global.name, name);
}

bool ms_pickle_int(const ms_pickle *pickle, ms_pref ref, int64_t *out) {
    if (ref == MS_PREF_NONE) return false;
    const ms_pnode *const node = ms_pickle_node(pickle, ref);
    if (node->kind == MS_PNODE_BOOL) return *out = node->boolean, true;
    return node->kind == MS_PNODE_INT ? (*out = node->integer, true) : false;
}

ms_str ms_pickle_text(const ms_pickle *pickle, ms_pref ref) {
    if (ref == MS_PREF_NONE) return MS_STR_NONE;
    const ms_pnode *const node = ms_pickle_node(pickle, ref);
    return node->kind == MS_PNODE_STR || node->kind == MS_PNODE_BYTES ? node->text : MS_STR_NONE;
}
