/* One pass over a matrix [rows, columns] of floating-point numbers: in how many rows each column is not zero, and how
 * many elements are 1 or -1.
 *
 * Numbers are compared by their bits without the sign, so nothing is rounded: 0 and -0 are zero, NaN is not, and only
 * 1 and -1 have the bits of one. Built without OpenMP's library: the threads are those of the library that torch has
 * loaded, so that one team of threads serves both.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clones.h"

/* Rows that are added up before the counts are touched: eight streams, and eight fit into every type. */
enum { ROWS_AT_ONCE = 8, PARALLEL_FROM = 1 << 18 };

#define PASS(name, word, magnitude, one)                                                                              \
    CLONES static int64_t name(const word *x, int64_t rows, int64_t columns, int32_t *counts)                         \
    {                                                                                                                  \
        int64_t units = 0;                                                                                             \
        int64_t row = 0;                                                                                               \
        for (; row + ROWS_AT_ONCE <= rows; row += ROWS_AT_ONCE) {                                                      \
            const word *here = x + row * columns;                                                                      \
            word found = 0;                                                                                            \
            for (int64_t start = 0; start < columns; start += 4096) {                                                  \
                int64_t end = start + 4096 < columns ? start + 4096 : columns;                                         \
                found = 0;                                                                                             \
                for (int64_t column = start; column < end; column++) {                                                 \
                    word nonzero = 0, unit = 0;                                                                        \
                    for (int step = 0; step < ROWS_AT_ONCE; step++) {                                                  \
                        word bits = here[step * columns + column] & (word)(magnitude);                                 \
                        nonzero += (word)(bits != 0);                                                                  \
                        unit += (word)(bits == (word)(one));                                                           \
                    }                                                                                                  \
                    counts[column] += (int32_t)nonzero;                                                                \
                    found += unit;                                                                                     \
                }                                                                                                      \
                units += found;                                                                                        \
            }                                                                                                          \
        }                                                                                                              \
        for (; row < rows; row++)                                                                                      \
            for (int64_t column = 0; column < columns; column++) {                                                     \
                word bits = x[row * columns + column] & (word)(magnitude);                                             \
                counts[column] += bits != 0;                                                                           \
                units += bits == (word)(one);                                                                          \
            }                                                                                                          \
        return units;                                                                                                  \
    }

PASS(pass_float32, uint32_t, 0x7FFFFFFF, 0x3F800000)
PASS(pass_float64, uint64_t, 0x7FFFFFFFFFFFFFFF, 0x3FF0000000000000)
PASS(pass_float16, uint16_t, 0x7FFF, 0x3C00)
PASS(pass_bfloat16, uint16_t, 0x7FFF, 0x3F80)

/* Fills counts [columns]; totals: non-zero elements, elements that are 1 or -1. Returns 0, or 1 without memory. */
#define OCCUPANCY(name, pass, word)                                                                                   \
    int name(const word *x, int64_t rows, int64_t columns, int32_t *counts, int64_t *totals)                          \
    {                                                                                                                  \
        int64_t nonzero = 0, units = 0;                                                                                \
        int failed = 0;                                                                                                \
        memset(counts, 0, (size_t)columns * sizeof *counts);                                                           \
        _Pragma("omp parallel if (rows * columns >= PARALLEL_FROM) reduction(+ : units) reduction(| : failed)")        \
        {                                                                                                              \
            int64_t threads = team(), self = member();                                                                 \
            int64_t first = rows * self / threads, last = rows * (self + 1) / threads;                                 \
            if (threads == 1)                                                                                          \
                units += pass(x, rows, columns, counts);                                                               \
            else {                                                                                                     \
                int32_t *own = calloc((size_t)columns + 1, sizeof *own);                                               \
                failed |= own == NULL;                                                                                 \
                if (own) {                                                                                             \
                    units += pass(x + first * columns, last - first, columns, own);                                    \
                    _Pragma("omp critical") for (int64_t column = 0; column < columns; column++) counts[column] +=     \
                        own[column];                                                                                   \
                    free(own);                                                                                         \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t column = 0; column < columns; column++)                                                           \
            nonzero += counts[column];                                                                                 \
        totals[0] = nonzero;                                                                                           \
        totals[1] = units;                                                                                             \
        return failed;                                                                                                 \
    }

#ifdef _OPENMP
extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);
static int64_t team(void) { return omp_get_num_threads(); }
static int64_t member(void) { return omp_get_thread_num(); }
#else
static int64_t team(void) { return 1; }
static int64_t member(void) { return 0; }
#endif

OCCUPANCY(occupancy_float32, pass_float32, uint32_t)
OCCUPANCY(occupancy_float64, pass_float64, uint64_t)
OCCUPANCY(occupancy_float16, pass_float16, uint16_t)
OCCUPANCY(occupancy_bfloat16, pass_bfloat16, uint16_t)
