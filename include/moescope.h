/*
 * moescope: read Mixture-of-Experts checkpoints from C, whatever their format, layout and quantisation.
 *
 *     ms_catalog *catalog;
 *     ms_catalog_error error;
 *     if (ms_catalog_open(&catalog, "path/to/model", &error) != 0) { puts(error.text); return error.code; }
 *     for (size_t i = 0; i < ms_catalog_matrix_count(catalog); i++) {
 *         ms_catalog_matrix m;
 *         ms_catalog_get_matrix(catalog, i, &m);                      // layer, expert, projection, R x C
 *         float *w = malloc(m.rows * m.cols * sizeof *w);
 *         if (ms_catalog_read(catalog, i, 0, m.rows, w, &error) != 0) puts(error.text);
 *         free(w);
 *     }
 *     ms_catalog_close(catalog);
 *
 * Build with `cc file.c $(pkg-config --cflags --libs moescope)`.
 *
 * Functions that can fail return 0, or the exit code that the program `moescope` would end with (3 damaged, 4 unsupported,
 * 5 not found, 6 input/output, 7 memory); the error, which may be NULL, then holds that code and one sentence. Nothing is
 * printed. What a catalog hands out is borrowed from it and valid until it is closed. An open catalog may be used by any number
 * of threads. Files are mapped, and only their headers are read by opening; a file that is cut while it is mapped is an error
 * of the read, for which the library handles SIGBUS in its own maps.
 */
#ifndef MOESCOPE_H
#define MOESCOPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MS_API __attribute__((visibility("default")))

typedef struct ms_catalog ms_catalog;

typedef struct ms_catalog_error {
    int code;
    char text[1024]; /* "model.safetensors: tensor 'a.b': byte 812: ..." */
} ms_catalog_error;

typedef struct ms_catalog_text { /* [size], not terminated; UTF-8 from the file, which may hold control characters */
    const char *text;
    size_t size;
} ms_catalog_text;

typedef struct ms_catalog_model { /* what is not known is -1, or an empty text */
    ms_catalog_text architecture; /* as the config spells it */
    const char *family;           /* the naming that explained most experts; "" for none */
    int64_t layers;               /* with experts or a router */
    int64_t experts, top_k;       /* as the config says; of the first layer when they differ */
    uint64_t parameters;
    int64_t active_parameters;
} ms_catalog_model;

typedef struct ms_catalog_tensor { /* one stored tensor */
    ms_catalog_text name, file;    /* file: relative to the model's folder */
    const char *dtype;             /* NumPy's name; "" for a type that nobody here knows */
    const char *role;              /* "expert", "shared_expert", "router", "attention", "embedding", "norm", ... */
    const char *scheme;            /* how quantised values are stored; "" plainly */
    int rank;
    const uint64_t *shape; /* [rank] */
    uint64_t n_bytes;
    int32_t layer, expert; /* -1: none, or unknown, or of all experts */
} ms_catalog_tensor;

typedef struct ms_catalog_matrix { /* one projection of one expert, or a router: R outputs x C inputs */
    ms_catalog_text proj;          /* "gate_proj", "up_proj", "down_proj", "router", ... */
    const char *role;              /* "expert", "shared_expert", "router" */
    const char *section;           /* "" the main model; "mtp", "vision", ... */
    int32_t layer;                 /* -1: unknown */
    int32_t expert;                /* -1: shared, or a router */
    uint64_t rows, cols;
    size_t tensor; /* the number of the tensor that holds it */
} ms_catalog_matrix;

MS_API const char *ms_version(void); /* "0.1.0" */

/* path: a folder, a file, any shard or an index. Owned: close it. */
MS_API int ms_catalog_open(ms_catalog **out, const char *path, ms_catalog_error *error);
MS_API void ms_catalog_close(ms_catalog *catalog); /* NULL is fine */

MS_API void ms_catalog_get_model(const ms_catalog *catalog, ms_catalog_model *out);

MS_API size_t ms_catalog_tensor_count(const ms_catalog *catalog);
MS_API void ms_catalog_get_tensor(const ms_catalog *catalog, size_t i, ms_catalog_tensor *out); /* i < count */

/* Ordered by section, layer, role, projection (gate, up, down, router), expert. */
MS_API size_t ms_catalog_matrix_count(const ms_catalog *catalog);
MS_API void ms_catalog_get_matrix(const ms_catalog *catalog, size_t i, ms_catalog_matrix *out); /* i < count */

/* Rows [row, row + n) of matrix i, decoded: out [n, cols]. */
MS_API int ms_catalog_read(const ms_catalog *catalog, size_t i, uint64_t row, uint64_t n, float *out, ms_catalog_error *error);

#ifdef __cplusplus
}
#endif
#endif
