/* What recurrence.c computes with: elementary functions and matrix products whose numbers do not depend on the vector width.
 *
 * REAL is float, or double where DOUBLE is defined.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef DOUBLE
typedef double REAL;
typedef int64_t WORD;
#else
typedef float REAL;
typedef int32_t WORD;
#endif

#if defined(__AVX512F__)
#define BYTES 64
#define ROWS 8
#elif defined(__AVX__)
#define BYTES 32
#define ROWS 6
#else
#define BYTES 16
#define ROWS 6
#endif
#define LANES (BYTES / (long)sizeof(REAL))
#define AHEAD 32 /* rows of a panel that are fetched before they are needed, from whatever lies beyond the cache */
#define PANEL (2 * LANES) /* columns that one pass over the weights makes */

#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

typedef REAL vec __attribute__((vector_size(BYTES)));
typedef REAL loose __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

/* ---- elementary functions; written out so that vector and scalar code round alike ---- */

static inline REAL tanh_(REAL x)
{
#ifdef DOUBLE
    return tanh(x);
#else
    /* tanh|x| = −e / (e + 2) with e = exp(−2|x|) − 1 = 2ⁿ p + (2ⁿ − 1), p = exp(r) − 1 on |r| ≤ ½ ln 2 */
    float a = __builtin_fabsf(x);
    a = a > 9.1f ? 9.1f : a; /* 1 to the last bit from there on; a NaN passes */
    float y = -2.0f * a;
    float n = __builtin_fmaf(y, 1.44269504f, 12582912.0f) - 12582912.0f; /* rounds: adds 1.5·2²³ and takes it off */
    float r = __builtin_fmaf(n, -0.693359375f, y);
    r = __builtin_fmaf(n, 2.12194440e-4f, r);
    float p = __builtin_fmaf(r, 1.9841270e-4f, 1.3888889e-3f);
    p = __builtin_fmaf(r, p, 8.3333333e-3f);
    p = __builtin_fmaf(r, p, 4.1666667e-2f);
    p = __builtin_fmaf(r, p, 1.6666667e-1f);
    p = __builtin_fmaf(r, p, 0.5f);
    p = __builtin_fmaf(r * r, p, r);
    union { int32_t bits; float value; } scale;
    scale.bits = ((int32_t)n + 127) << 23;
    float e = __builtin_fmaf(scale.value, p, scale.value - 1.0f);
    return __builtin_copysignf(-e / (e + 2.0f), x);
#endif
}

static inline REAL fma_(REAL a, REAL b, REAL c)
{
#ifdef DOUBLE
    return __builtin_fma(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}

static inline REAL sigmoid_(REAL x) { return fma_((REAL)0.5, tanh_((REAL)0.5 * x), (REAL)0.5); }

/* ---- products: C [M, N] = init + A1 · P1 + A2 · P2, with the weights packed in panels of PANEL columns ---- */

static int64_t panels(int64_t N) { return (N + PANEL - 1) / PANEL; }

static REAL *room(int64_t count)
{
    void *p = NULL;
    return posix_memalign(&p, 64, (size_t)(count ? count : 1) * sizeof(REAL)) ? NULL : p;
}

/* Columns k0 … k0 + K of every panel from a matrix whose element (k, n) lies at k·sk + n·sn; beyond N zero. */
static void pack(REAL *out, int64_t K_all, int64_t k0, int64_t K, int64_t N, const REAL *w, int64_t sk, int64_t sn)
{
    for (int64_t p = 0; p < panels(N); p++) {
        const int64_t columns = N - p * PANEL < PANEL ? N - p * PANEL : PANEL;
        for (int64_t first = 0; first < K; first += 16) { /* by sixteens: where sk is 1, a line of memory is read but once */
            const int64_t last = first + 16 < K ? first + 16 : K;
            REAL *row = out + (p * K_all + k0 + first) * PANEL;
            memset(row, 0, (size_t)((last - first) * PANEL) * sizeof(REAL));
            for (int64_t j = 0; j < columns; j++)
                for (int64_t k = first; k < last; k++) row[(k - first) * PANEL + j] = w[k * sk + (p * PANEL + j) * sn];
        }
    }
}

/* The left factor, in two parts that stand side by side: its rows are stride1 (stride2) apart, its columns are neighbours; or it
   is packed: groups of ROWS rows, in each the rows are neighbours and the columns ROWS apart. */
typedef struct {
    const REAL *a1, *a2;
    int64_t k1, k2, stride1, stride2;
    int packed;
} Left;

static inline __attribute__((always_inline)) void
tile(const int rows, const int packed, const Left *left, int64_t m, const REAL *panel, REAL *c, int64_t ldc, int64_t columns, const REAL *init)
{
    vec acc[ROWS][2];
    REAL edge[PANEL];
    for (int i = 0; i < rows; i++) {
        const REAL *from = init ? init : c + i * ldc;
        if (columns < PANEL) {
            memset(edge, 0, sizeof edge);
            memcpy(edge, from, (size_t)columns * sizeof(REAL));
            from = edge;
        }
        acc[i][0] = *(const loose *)from;
        acc[i][1] = *(const loose *)(from + LANES);
    }
    for (int part = 0; part < 2; part++) {
        const int64_t K = part ? left->k2 : left->k1, stride = part ? left->stride2 : left->stride1;
        const REAL *a = (part ? left->a2 : left->a1) + m * (packed ? left->k1 : stride);
        for (int64_t k = 0; k < K; k++, panel += PANEL) {
            vec b0 = *(const vec *)panel, b1 = *(const vec *)(panel + LANES);
            __builtin_prefetch(panel + AHEAD * PANEL);
            __builtin_prefetch(panel + AHEAD * PANEL + LANES);
            for (int i = 0; i < rows; i++) {
                REAL s = packed ? a[k * ROWS + i] : a[i * stride + k];
                acc[i][0] += s * b0;
                acc[i][1] += s * b1;
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        REAL *to = c + i * ldc;
        if (columns < PANEL) {
            *(loose *)edge = acc[i][0];
            *(loose *)(edge + LANES) = acc[i][1];
            memcpy(to, edge, (size_t)columns * sizeof(REAL));
        } else {
            *(loose *)to = acc[i][0];
            *(loose *)(to + LANES) = acc[i][1];
        }
    }
}

static inline __attribute__((always_inline)) void
multiply_(const int packed, int64_t M, int64_t N, const Left *left, const REAL *right, REAL *c, int64_t ldc, const REAL *init)
{
    int64_t K = left->k1 + left->k2;
    for (int64_t p = 0; p < panels(N); p++) {
        const REAL *panel = right + p * K * PANEL;
        int64_t n = p * PANEL, columns = N - n < PANEL ? N - n : PANEL, m = 0;
        const REAL *from = init ? init + n : NULL;
        for (; m + ROWS <= M; m += ROWS) tile(ROWS, packed, left, m, panel, c + m * ldc + n, ldc, columns, from);
#define REST(k) case k: tile(k, packed, left, m, panel, c + m * ldc + n, ldc, columns, from); break;
        switch (M - m) {
            REST(1) REST(2) REST(3) REST(4) REST(5)
#if ROWS > 6
            REST(6) REST(7)
#endif
        }
#undef REST
    }
}

/* init: one row for all, or null to add to what C holds. */
static void multiply(int64_t M, int64_t N, const Left *left, const REAL *right, REAL *c, int64_t ldc, const REAL *init)
{
    if (left->packed)
        multiply_(1, M, N, left, right, c, ldc, init);
    else
        multiply_(0, M, N, left, right, c, ldc, init);
}
