/* What information loss sums up over one piece of a layer: passes over n contiguous numbers, each on one thread.
 *
 * Differences are rounded to the type of the numbers, as torch rounds them; squares and sums are in double. Sums run in
 * LANES parts side by side, and loops are split as compilers need it to make vector code of them. Built without
 * contraction, so that no product is added before it is rounded.
 */
#include <stdint.h>

#include "clones.h"

/* Bins per unit over [LOWEST, HIGHEST) / PER_UNIT, and one below and one above: measure/bins.py says which. */
enum { PER_UNIT = BINS_PER_UNIT, LOWEST = BINS_FROM * PER_UNIT, HIGHEST = BINS_TO * PER_UNIT };
enum { BINS = HIGHEST - LOWEST + 2 };
_Static_assert(BINS <= UINT8_MAX + 1, "a bin's number is a byte");
enum { LANES = 16, BLOCK = 1024, TABLES = 4 };

static double total(const double *lanes)
{
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* Counts of a block's bins. Neighbours often share a bin: one table each spares the wait for the count before. */
static void count(const uint8_t *bins, int64_t n, int64_t (*tables)[BINS])
{
    int64_t i = 0;
    for (; i + TABLES <= n; i += TABLES)
        for (int table = 0; table < TABLES; table++)
            tables[table][bins[i + table]]++;
    for (; i < n; i++)
        tables[0][bins[i]]++;
}

#define LOSSES(type, absolute, distance, thrown_away, levels_off, binary)                                              \
    /* Sum of (spikes - x)^2, and counts [BINS] of x by its bin; a NaN is in the last one and makes the sum NaN. */    \
    CLONES double distance(const type *x, const type *spikes, int64_t n, int64_t *counts)                              \
    {                                                                                                                  \
        double lanes[LANES] = {0};                                                                                     \
        int64_t tables[TABLES][BINS] = {{0}};                                                                          \
        type clamped[BLOCK];                                                                                           \
        uint8_t bins[BLOCK];                                                                                           \
        for (int64_t start = 0; start < n; start += BLOCK) {                                                           \
            int64_t size = n - start < BLOCK ? n - start : BLOCK;                                                      \
            const type *here = x + start, *fired = spikes + start;                                                     \
            for (int64_t i = 0; i < size; i++) {                                                                       \
                type scaled = here[i] * PER_UNIT;                                                                      \
                clamped[i] = scaled < HIGHEST ? scaled : HIGHEST;                                                      \
            }                                                                                                          \
            for (int64_t i = 0; i < size; i++)                                                                         \
                clamped[i] = clamped[i] > LOWEST - 1 ? clamped[i] : LOWEST - 1;                                        \
            for (int64_t i = 0; i < size; i++) {                                                                       \
                int32_t whole = (int32_t)clamped[i];                                                                   \
                whole -= (type)whole > clamped[i];                                                                     \
                bins[i] = (uint8_t)(whole - (LOWEST - 1));                                                             \
            }                                                                                                          \
            count(bins, size, tables);                                                                                 \
            int64_t i = 0;                                                                                             \
            for (; i + LANES <= size; i += LANES)                                                                      \
                for (int lane = 0; lane < LANES; lane++) {                                                             \
                    type difference = fired[i + lane] - here[i + lane];                                                \
                    lanes[lane] += (double)difference * (double)difference;                                            \
                }                                                                                                      \
            for (; i < size; i++) {                                                                                    \
                type difference = fired[i] - here[i];                                                                  \
                lanes[0] += (double)difference * (double)difference;                                                   \
            }                                                                                                          \
        }                                                                                                              \
        for (int bin = 0; bin < BINS; bin++) {                                                                         \
            counts[bin] = 0;                                                                                           \
            for (int table = 0; table < TABLES; table++)                                                               \
                counts[bin] += tables[table][bin];                                                                     \
        }                                                                                                              \
        return total(lanes);                                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    /* Sum of |u - v - spike| * spike: what the reset throws away, where v is carried on from u. */                    \
    CLONES double thrown_away(const type *u, const type *v, const type *spikes, int64_t n)                             \
    {                                                                                                                  \
        double lanes[LANES] = {0};                                                                                     \
        int64_t i = 0;                                                                                                 \
        for (; i + LANES <= n; i += LANES)                                                                             \
            for (int lane = 0; lane < LANES; lane++)                                                                   \
                lanes[lane] += (double)absolute((u[i + lane] - v[i + lane] - spikes[i + lane]) * spikes[i + lane]);    \
        for (; i < n; i++)                                                                                             \
            lanes[0] += (double)absolute((u[i] - v[i] - spikes[i]) * spikes[i]);                                       \
        return total(lanes);                                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    /* Sum of |k - spikes| over n neurons, each of `steps` currents and spikes: k / steps is the level to which their  \
       mean current is rounded, half down. Clamped before it is made a whole number, which fits then. */               \
    CLONES double levels_off(const type *current, const type *spikes, int64_t steps, int64_t n)                        \
    {                                                                                                                  \
        double lanes[LANES] = {0};                                                                                     \
        type totals[BLOCK], fired[BLOCK];                                                                              \
        for (int64_t start = 0; start < n; start += BLOCK) {                                                           \
            int64_t size = n - start < BLOCK ? n - start : BLOCK;                                                      \
            for (int64_t i = 0; i < size; i++) {                                                                       \
                totals[i] = current[start + i];                                                                        \
                fired[i] = spikes[start + i];                                                                          \
            }                                                                                                          \
            for (int64_t step = 1; step < steps; step++)                                                               \
                for (int64_t i = 0; i < size; i++) {                                                                   \
                    totals[i] += current[step * n + start + i];                                                        \
                    fired[i] += spikes[step * n + start + i];                                                          \
                }                                                                                                      \
            for (int64_t i = 0; i < size; i++) {                                                                       \
                type above = totals[i] - (type)0.5;                                                                    \
                totals[i] = above < steps ? above : steps;                                                             \
            }                                                                                                          \
            for (int64_t i = 0; i < size; i++)                                                                         \
                totals[i] = totals[i] > 0 ? totals[i] : 0;                                                             \
            for (int64_t i = 0; i < size; i++) {                                                                       \
                int32_t level = (int32_t)totals[i];                                                                    \
                level += (type)level < totals[i];                                                                      \
                fired[i] = absolute((type)level - fired[i]);                                                           \
            }                                                                                                          \
            for (int64_t i = size; i % LANES; i++)                                                                     \
                fired[i] = 0;                                                                                          \
            for (int64_t i = 0; i < size; i += LANES)                                                                  \
                for (int lane = 0; lane < LANES; lane++)                                                               \
                    lanes[lane] += (double)fired[i + lane];                                                            \
        }                                                                                                              \
        return total(lanes);                                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    /* Whether all are 0 or 1. */                                                                                      \
    CLONES int binary(const type *x, int64_t n)                                                                        \
    {                                                                                                                  \
        int64_t others = 0;                                                                                            \
        for (int64_t i = 0; i < n; i++)                                                                                \
            others |= (x[i] != 0) & (x[i] != 1);                                                                       \
        return others == 0;                                                                                            \
    }

LOSSES(float, __builtin_fabsf, distance_float32, thrown_away_float32, levels_off_float32, binary_float32)
LOSSES(double, __builtin_fabs, distance_float64, thrown_away_float64, levels_off_float64, binary_float64)
