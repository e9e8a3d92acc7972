/*
 * pickle: Python pickles read as data: every opcode of protocols 0 to 5, nothing imported, nothing called.
 *
 *     ms_pickle pickle;
 *     MS_TRY(ms_pickle_read(&pickle, bytes, n, &options, err));
 *     const ms_pnode *root = ms_pickle_node(&pickle, pickle.root);
 *     ...
 *     ms_pickle_free(&pickle);
 *
 * A global is a name; calling one gives a CALL node that holds the name, the arguments, what was appended or set on it, and its
 * state. So files with unknown classes lose nothing, and the list of names is the security report. Nodes refer to each other by
 * index; cycles and sharing (through the memo) are possible: walk iteratively, visit each node once.
 *
 * Hostile input: lengths are checked against what is left, memory against a budget; no recursion.
 */
#ifndef MS_PICKLE_H
#define MS_PICKLE_H

#include "arena.h"
#include "err.h"
#include "str.h"
#include "vec.h"

typedef enum ms_pnode_kind {
    MS_PNODE_NONE,
    MS_PNODE_BOOL,
    MS_PNODE_INT,
    MS_PNODE_BIG_INT, /* does not fit int64: bytes, two's complement little-endian; or the digits as text */
    MS_PNODE_FLOAT,
    MS_PNODE_STR,   /* UTF-8, lone surrogates possible */
    MS_PNODE_BYTES, /* bytes and bytearray */
    MS_PNODE_LIST,
    MS_PNODE_TUPLE,
    MS_PNODE_DICT, /* items: key, value, key, value, ... in file order */
    MS_PNODE_SET,  /* and frozenset */
    MS_PNODE_GLOBAL,
    MS_PNODE_CALL,
    MS_PNODE_PERSISTENT, /* a persistent id: items[0] */
} ms_pnode_kind;

typedef uint32_t ms_pref; /* index of a node */
#define MS_PREF_NONE UINT32_MAX

typedef struct ms_pnode {
    ms_pnode_kind kind;
    uint32_t at; /* byte of the opcode that made it, for messages; saturates */
    union {
        bool boolean;
        int64_t integer;
        double real;
        ms_str text; /* STR, BYTES, BIG_INT */
        struct {
            ms_str module, name;
        } global;
        struct {
            ms_pref callee; /* GLOBAL, or any node */
            ms_pref args;   /* TUPLE, or MS_PREF_NONE */
            ms_pref kwargs; /* DICT of NEWOBJ_EX, or MS_PREF_NONE */
            ms_pref state;  /* of BUILD, or MS_PREF_NONE */
        } call;
    };
    ms_pref *items; /* [n_items], in the arena: LIST, TUPLE, DICT, SET; CALL: what was appended or set (pairs) on it */
    uint32_t n_items, capacity;
    bool items_are_pairs; /* CALL: by SETITEM(S) */
} ms_pnode;

typedef struct ms_pickle {
    ms_arena arena;
    MS_VEC(ms_pnode) nodes;
    ms_pref root;
    size_t n_bytes; /* up to and with STOP */
    int protocol;
    size_t n_globals;      /* GLOBAL nodes */
    size_t first_use[256]; /* byte where an opcode occurs first; SIZE_MAX: nowhere */
} ms_pickle;

/* budget: bytes of memory; 0: 64 times the pickle, at least 16 MiB and at most 4 GiB. MS_ERR_DAMAGED names opcode and byte;
 * MS_ERR_UNSUPPORTED for extension codes and out-of-band buffers. bytes must outlive the pickle (strings are borrowed). */
ms_status ms_pickle_read(ms_pickle *out, const void *bytes, size_t n, size_t budget, ms_err *err);
void ms_pickle_free(ms_pickle *pickle);

/* ref must be valid; borrowed until the pickle is freed. */
static inline const ms_pnode *ms_pickle_node(const ms_pickle *pickle, ms_pref ref) { return &pickle->nodes.items[ref]; }

/* The value of a key of a DICT (or of the pairs set on a CALL), the last of several; MS_PREF_NONE when absent. */
ms_pref ms_pickle_get(const ms_pickle *pickle, ms_pref dict, const char *key);
/* Item i of a LIST or TUPLE, or MS_PREF_NONE. */
ms_pref ms_pickle_item(const ms_pickle *pickle, ms_pref sequence, size_t i);
/* True when the node is that GLOBAL. */
bool ms_pickle_is_global(const ms_pickle *pickle, ms_pref ref, const char *module, const char *name);
/* The integer of an INT or BOOL; false for other kinds and MS_PREF_NONE. */
bool ms_pickle_int(const ms_pickle *pickle, ms_pref ref, int64_t *out);
/* The text of a STR or BYTES; MS_STR_NONE for others. */
ms_str ms_pickle_text(const ms_pickle *pickle, ms_pref ref);

#endif
