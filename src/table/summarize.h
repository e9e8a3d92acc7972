/*
 * summarize: one row a group of rows, with aggregates of its numbers; and quantiles as NumPy computes them.
 *
 *     static const char *const keys[] = {"layer", "proj"}, *const metrics[] = {"rms", "max_abs"};
 *     static const ms_aggregate wanted[] = {MS_AGGREGATE_MEDIAN, MS_AGGREGATE_P99};
 *     MS_TRY(ms_summarize(&summary, table, keys, 2, metrics, 2, wanted, 2, err));
 *     // layer, proj, rms__median, rms__p99, max_abs__median, max_abs__p99
 *
 * As pandas' groupby(keys, dropna=False): a null key is a value of its own; rows come in the order of their keys, integers by
 * value, text by code point, null last. Nulls and NaN are left out of aggregates; infinities take part.
 */
#ifndef MS_SUMMARIZE_H
#define MS_SUMMARIZE_H

#include <stddef.h>

#include "err.h"
#include "table.h"

typedef enum ms_aggregate {
    MS_AGGREGATE_MIN,
    MS_AGGREGATE_P01,
    MS_AGGREGATE_MEDIAN,
    MS_AGGREGATE_MEAN,
    MS_AGGREGATE_STD, /* of a sample: divided by n - 1; null for one value */
    MS_AGGREGATE_P90,
    MS_AGGREGATE_P99,
    MS_AGGREGATE_MAX,
    MS_AGGREGATE_COUNT_, /* how many there are */
} ms_aggregate;

const char *ms_aggregate_name(ms_aggregate aggregate); /* "min", "p01", ... */

/* The columns: the keys, then for each metric each aggregate, named METRIC__AGGREGATE (numbers; null where a group has no
 * value). MS_ERR_USAGE when a key or metric is no column, or a metric holds no numbers, or a key lists. Owned. */
ms_status ms_summarize(ms_table **out, const ms_table *table, const char *const *keys, size_t n_keys,
                       const char *const *metrics, size_t n_metrics, const ms_aggregate *aggregates, size_t n_aggregates,
                       ms_err *err);

/* order: [n_rows] row numbers, sorted by those columns as above; equal rows keep their order. */
ms_status ms_summarize_order(const ms_table *table, const size_t *columns, size_t n_columns, size_t *order, ms_err *err);

/* numpy.quantile(values, q, method="linear"), to the bit. sorted: [n] ascending, no NaN; n > 0; 0 <= q <= 1. */
double ms_summarize_quantile(const double *sorted, size_t n, double q);

#endif
