/* The recurrences of reference.py, compiled: each replica and example runs through all timesteps by itself.
 *
 * A row of the batch never meets another row, and every sum over units is one chain of fused multiply-adds in the order of the
 * units. So a number depends neither on the other replicas, nor on the size of the batch, nor on the number of threads.
 *
 * Arrays are row-major: x [R|1, T, B, I], gates [R, T, B, G], states [R, T + 1, B, H] (initial state first), gradients likewise.
 * The file is compiled twice, with REAL float and double.
 */
#include "arithmetic.h"

#define MOST_SITES 5

/* A mask at a site: strides over replica, time, example, unit in elements, 0 where it does not vary; kind 0 none, 1 bytes, 2 REAL. */
typedef struct {
    const void *data;
    int64_t stride[4];
    int64_t kind;
} Mask;

typedef struct {
    int64_t cell; /* 0 LSTM, 1 GRU, 2 tanh RNN, 3 relu RNN */
    int64_t R, T, B, H, I;
    int64_t threads;
    const REAL *x;
    int64_t x_stride[3]; /* replica, time, example; features are neighbours */
    const REAL *w_in, *w_hidden, *b_in, *b_hidden; /* [R, G, I], [R, G, H], [R, G] or null */
    Mask mask[MOST_SITES]; /* cell, hidden, update, memory, output */
    int64_t gates_stride, states_stride; /* from one replica to the next */
    REAL *gates, *hs, *cs;
    const REAL *d_out;         /* [R, T, B, H] */
    REAL *d_gates, *d_h, *d_c, *d_weights, *d_bias, *d_x; /* as gates; [R, B, H] twice; [R, S, I + H]; [R, S]; [R, T, B, I] */
    REAL *norms;                /* [cell candidate, cell state, hidden candidate, hidden state][R, T, B] of squares, or null */
} Problem;

/* The mask's row at (r, t, b) as REAL [H]; a row of zeros where there is none. */
static const REAL *row_of(const Mask *s, int64_t r, int64_t t, int64_t b, int64_t H, const REAL *zeros, REAL *into)
{
    if (!s->kind) return zeros;
    int64_t at = r * s->stride[0] + t * s->stride[1] + b * s->stride[2], step = s->stride[3];
    if (s->kind == 1) {
        const uint8_t *from = (const uint8_t *)s->data + at;
        if (step == 1)
            for (int64_t j = 0; j < H; j++) into[j] = from[j];
        else
            for (int64_t j = 0; j < H; j++) into[j] = from[j * step];
        return into;
    }
    const REAL *from = (const REAL *)s->data + at;
    if (step == 1) return from;
    for (int64_t j = 0; j < H; j++) into[j] = from[j * step];
    return into;
}

typedef struct {
    REAL *zeros, *spare;
    const REAL *at[MOST_SITES];
} Rows;

static void shares_at(const Problem *p, Rows *rows, int64_t r, int64_t t, int64_t b)
{
    for (int k = 0; k < MOST_SITES; k++)
        rows->at[k] = row_of(&p->mask[k], r, t, b, p->H, rows->zeros, rows->spare + k * p->H);
}

/* ---- one row, one timestep ---- */

#define CELL_SHARE rows->at[0]
#define HIDDEN_SHARE rows->at[1]
#define UPDATE_SHARE rows->at[2]
#define MEMORY_SHARE rows->at[3]
#define OUTPUT_SHARE rows->at[4]

static void lstm_row(int64_t H, const Rows *rows, REAL *restrict gate, const REAL *restrict h_old, const REAL *restrict c_old,
                     REAL *restrict h_new, REAL *restrict c_new)
{
    const REAL *restrict zc = CELL_SHARE, *restrict zh = HIDDEN_SHARE, *restrict u = UPDATE_SHARE, *restrict m = MEMORY_SHARE;
    const REAL *restrict d = OUTPUT_SHARE;
    REAL *restrict gi = gate, *restrict gf = gate + H, *restrict gg = gate + 2 * H, *restrict go = gate + 3 * H;
    INDEPENDENT for (int64_t j = 0; j < H; j++) {
        REAL i = sigmoid_(gi[j]), f = sigmoid_(gf[j]), g = tanh_(gg[j]), o = sigmoid_(go[j]);
        gi[j] = i, gf[j] = f, gg[j] = g, go[j] = o;
        REAL c = (1 - m[j]) * fma_(f, c_old[j], (1 - u[j]) * (i * g));
        REAL h = (1 - d[j]) * (o * tanh_(c));
        c_new[j] = fma_(zc[j], c_old[j], (1 - zc[j]) * c);
        h_new[j] = fma_(zh[j], h_old[j], (1 - zh[j]) * h);
    }
}

/* d_h and d_c come as the gradients at t and leave as their parts that pass by the gates. */
static void lstm_row_back(int64_t H, const Rows *rows, const REAL *restrict gate, const REAL *restrict c_old, REAL *restrict d_h,
                          REAL *restrict d_c, REAL *restrict d_gate, REAL *restrict d_new_h, REAL *restrict d_new_c)
{
    const REAL *restrict zc = CELL_SHARE, *restrict zh = HIDDEN_SHARE, *restrict u = UPDATE_SHARE, *restrict m = MEMORY_SHARE;
    const REAL *restrict d = OUTPUT_SHARE;
    const REAL *restrict gi = gate, *restrict gf = gate + H, *restrict gg = gate + 2 * H, *restrict go = gate + 3 * H;
    REAL *restrict di = d_gate, *restrict df = d_gate + H, *restrict dg = d_gate + 2 * H, *restrict d_o = d_gate + 3 * H;
    INDEPENDENT for (int64_t j = 0; j < H; j++) {
        REAL i = gi[j], f = gf[j], g = gg[j], o = go[j];
        REAL t = tanh_((1 - m[j]) * fma_(f, c_old[j], (1 - u[j]) * (i * g)));
        REAL to_h = (1 - zh[j]) * d_h[j];
        d_new_h[j] = to_h;
        to_h = (1 - d[j]) * to_h;
        REAL to_c = fma_(to_h * o, fma_(-t, t, 1), (1 - zc[j]) * d_c[j]);
        d_new_c[j] = to_c;
        to_c = (1 - m[j]) * to_c;
        REAL write = (1 - u[j]) * to_c;
        di[j] = write * g * fma_(-i, i, i);
        df[j] = to_c * c_old[j] * fma_(-f, f, f);
        dg[j] = write * i * fma_(-g, g, 1);
        d_o[j] = to_h * t * fma_(-o, o, o);
        d_h[j] = zh[j] * d_h[j];
        d_c[j] = fma_(zc[j], d_c[j], f * to_c);
    }
}

/* gate holds the input's part of r, k, n; own the recurrent part. Leaves r, k, n and own's n. */
static void gru_row(int64_t H, const Rows *rows, REAL *restrict gate, const REAL *restrict own, const REAL *restrict h_old,
                    REAL *restrict h_new)
{
    const REAL *restrict zh = HIDDEN_SHARE, *restrict u = UPDATE_SHARE, *restrict d = OUTPUT_SHARE;
    REAL *restrict gr = gate, *restrict gk = gate + H, *restrict gn = gate + 2 * H, *restrict gv = gate + 3 * H;
    INDEPENDENT for (int64_t j = 0; j < H; j++) {
        REAL r = sigmoid_(gr[j] + own[j]), k = sigmoid_(gk[j] + own[H + j]), v = own[2 * H + j];
        REAL n = tanh_(fma_(r, v, gn[j]));
        gr[j] = r, gk[j] = k, gn[j] = n, gv[j] = v;
        REAL h = (1 - d[j]) * fma_(k, h_old[j], (1 - k) * ((1 - u[j]) * n));
        h_new[j] = fma_(zh[j], h_old[j], (1 - zh[j]) * h);
    }
}

/* d_gate [4H]: gradients of r, k, n before their functions, and of own's n. */
static void gru_row_back(int64_t H, const Rows *rows, const REAL *restrict gate, const REAL *restrict h_old, REAL *restrict d_h,
                         REAL *restrict d_gate, REAL *restrict d_new_h)
{
    const REAL *restrict zh = HIDDEN_SHARE, *restrict u = UPDATE_SHARE, *restrict d = OUTPUT_SHARE;
    const REAL *restrict gr = gate, *restrict gk = gate + H, *restrict gn = gate + 2 * H, *restrict gv = gate + 3 * H;
    REAL *restrict dr = d_gate, *restrict dk = d_gate + H, *restrict dn = d_gate + 2 * H, *restrict dv = d_gate + 3 * H;
    INDEPENDENT for (int64_t j = 0; j < H; j++) {
        REAL r = gr[j], k = gk[j], n = gn[j], v = gv[j];
        REAL to_h = (1 - zh[j]) * d_h[j];
        d_new_h[j] = to_h;
        to_h = (1 - d[j]) * to_h;
        REAL to_n = (1 - u[j]) * ((1 - k) * to_h) * fma_(-n, n, 1);
        dr[j] = to_n * v * fma_(-r, r, r);
        dk[j] = to_h * fma_(-(1 - u[j]), n, h_old[j]) * fma_(-k, k, k);
        dn[j] = to_n;
        dv[j] = to_n * r;
        d_h[j] = fma_(zh[j], d_h[j], k * to_h);
    }
}

static void rnn_row(int64_t H, const Rows *rows, int relu, REAL *restrict gate, const REAL *restrict h_old, REAL *restrict h_new)
{
    const REAL *restrict zh = HIDDEN_SHARE, *restrict d = OUTPUT_SHARE;
    if (relu)
        INDEPENDENT for (int64_t j = 0; j < H; j++) gate[j] = gate[j] < 0 ? 0 : gate[j];
    else
        INDEPENDENT for (int64_t j = 0; j < H; j++) gate[j] = tanh_(gate[j]);
    for (int64_t j = 0; j < H; j++) h_new[j] = fma_(zh[j], h_old[j], (1 - zh[j]) * ((1 - d[j]) * gate[j]));
}

static void rnn_row_back(int64_t H, const Rows *rows, int relu, const REAL *restrict gate, REAL *restrict d_h,
                         REAL *restrict d_gate, REAL *restrict d_new_h)
{
    const REAL *restrict zh = HIDDEN_SHARE, *restrict d = OUTPUT_SHARE;
    INDEPENDENT for (int64_t j = 0; j < H; j++) {
        d_new_h[j] = (1 - zh[j]) * d_h[j];
        d_h[j] = zh[j] * d_h[j];
    }
    if (relu)
        INDEPENDENT for (int64_t j = 0; j < H; j++) d_gate[j] = gate[j] > 0 ? (1 - d[j]) * d_new_h[j] : 0;
    else
        INDEPENDENT for (int64_t j = 0; j < H; j++) d_gate[j] = (1 - d[j]) * d_new_h[j] * fma_(-gate[j], gate[j], 1);
}

static REAL squares(const REAL *restrict v, int64_t H)
{
    REAL sum = 0;
    for (int64_t j = 0; j < H; j++) sum = fma_(v[j], v[j], sum);
    return sum;
}

/* ---- whole sequences: replica r, examples b0 … b1 ---- */

static int64_t gates_of(const Problem *p) { return p->cell == 0 ? 4 : p->cell == 1 ? 3 : 1; }
static int64_t saved_of(const Problem *p) { return p->cell < 2 ? 4 : 1; } /* a GRU also keeps its recurrent part of n */

static int rows_begin(const Problem *p, Rows *rows)
{
    rows->zeros = calloc((size_t)p->H, sizeof(REAL));
    rows->spare = room(MOST_SITES * p->H);
    return rows->zeros && rows->spare;
}

static void rows_end(Rows *rows)
{
    free(rows->zeros);
    free(rows->spare);
}

/* From products to states at timestep t, for examples b0 … b1; own: a GRU's recurrent products of these examples. */
static void step(const Problem *p, Rows *rows, int64_t r, int64_t t, int64_t b0, int64_t b1, const REAL *own)
{
    const int64_t B = p->B, H = p->H, N = gates_of(p) * H, S = saved_of(p) * H;
    const int64_t old = r * p->states_stride + t * B * H, new = old + B * H;
    REAL *gates = p->gates + r * p->gates_stride + t * B * S;
    for (int64_t b = b0; b < b1; b++) {
        shares_at(p, rows, r, t, b);
        REAL *gate = gates + b * S, *h_new = p->hs + new + b * H;
        const REAL *h_old = p->hs + old + b * H;
        if (p->cell == 0)
            lstm_row(H, rows, gate, h_old, p->cs + old + b * H, h_new, p->cs + new + b * H);
        else if (p->cell == 1)
            gru_row(H, rows, gate, own + (b - b0) * N, h_old, h_new);
        else
            rnn_row(H, rows, p->cell == 3, gate, h_old, h_new);
    }
}

/* From the gradients at timestep t to those of its products, and to what of d_h and d_c passes by them; spare [2, H]. */
static void step_back(const Problem *p, Rows *rows, int64_t r, int64_t t, int64_t b0, int64_t b1, REAL *spare)
{
    const int64_t T = p->T, B = p->B, H = p->H, S = saved_of(p) * H, points = p->R * T * B;
    const int64_t at = r * p->gates_stride + t * B * S, old = r * p->states_stride + t * B * H;
    REAL *to_h = spare, *to_c = spare + H;
    for (int64_t b = b0; b < b1; b++) {
        shares_at(p, rows, r, t, b);
        const int64_t point = (r * T + t) * B + b;
        const REAL *gate = p->gates + at + b * S, *from = p->d_out + point * H;
        REAL *d_gate = p->d_gates + at + b * S, *d_h = p->d_h + (r * B + b) * H;
        REAL *d_c = p->cell == 0 ? p->d_c + (r * B + b) * H : NULL;
        for (int64_t j = 0; j < H; j++) d_h[j] += from[j];
        if (p->norms) {
            p->norms[3 * points + point] = squares(d_h, H);
            if (d_c) p->norms[points + point] = squares(d_c, H);
        }
        if (p->cell == 0)
            lstm_row_back(H, rows, gate, p->cs + old + b * H, d_h, d_c, d_gate, to_h, to_c);
        else if (p->cell == 1)
            gru_row_back(H, rows, gate, p->hs + old + b * H, d_h, d_gate, to_h);
        else
            rnn_row_back(H, rows, p->cell == 3, gate, d_h, d_gate, to_h);
        if (p->norms) {
            p->norms[2 * points + point] = squares(to_h, H);
            if (d_c) p->norms[point] = squares(to_c, H);
        }
    }
}

/* The whole sequence of replica r, examples b0 … b1. */
static int forward_part(const Problem *p, int64_t r, int64_t b0, int64_t b1)
{
    const int64_t B = p->B, H = p->H, I = p->I, M = b1 - b0, N = gates_of(p) * H, S = saved_of(p) * H;
    const int gru = p->cell == 1;
    Rows rows;
    REAL *packed = room(panels(N) * PANEL * (I + H)), *bias = room(2 * N), *own = room(gru ? M * N : 0);
    int ok = rows_begin(p, &rows) && packed && bias && own;
    if (ok) {
        const REAL *w_in = p->w_in + r * N * I, *w_hidden = p->w_hidden + r * N * H;
        REAL *packed_own = packed + panels(N) * PANEL * I, *bias_own = bias + N;
        if (gru) { /* the reset gate acts on the recurrent part alone, so the two parts stay apart */
            pack(packed, I, 0, I, N, w_in, 1, I);
            pack(packed_own, H, 0, H, N, w_hidden, 1, H);
        } else {
            pack(packed, I + H, 0, I, N, w_in, 1, I);
            pack(packed, I + H, I, H, N, w_hidden, 1, H);
        }
        for (int64_t n = 0; n < N; n++) {
            bias[n] = p->b_in ? p->b_in[r * N + n] : 0;
            bias_own[n] = p->b_hidden ? p->b_hidden[r * N + n] : 0;
            if (!gru) bias[n] += bias_own[n];
        }
        for (int64_t t = 0; t < p->T; t++) {
            const REAL *x = p->x + r * p->x_stride[0] + t * p->x_stride[1] + b0 * p->x_stride[2];
            const REAL *h = p->hs + r * p->states_stride + (t * B + b0) * H;
            REAL *gates = p->gates + r * p->gates_stride + (t * B + b0) * S;
            if (gru) {
                Left from_x = {x, x, I, 0, p->x_stride[2], 0, 0}, from_h = {h, h, H, 0, H, 0, 0};
                multiply(M, N, &from_x, packed, gates, S, bias);
                multiply(M, N, &from_h, packed_own, own, N, bias_own);
            } else {
                Left both = {x, h, I, H, p->x_stride[2], H, 0};
                multiply(M, N, &both, packed, gates, S, bias);
            }
            step(p, &rows, r, t, b0, b1, own);
        }
    }
    rows_end(&rows);
    free(packed), free(bias), free(own);
    return !ok;
}

/* d_h and d_c [R, B, H] hold the gradients that reach the last states from elsewhere, and then those of the initial states. */
static int backward_part(const Problem *p, int64_t r, int64_t b0, int64_t b1)
{
    const int64_t B = p->B, H = p->H, M = b1 - b0, N = gates_of(p) * H, S = saved_of(p) * H;
    const int gru = p->cell == 1;
    Rows rows;
    REAL *packed = room(panels(H) * PANEL * N), *spare = room(2 * H);
    int ok = rows_begin(p, &rows) && packed && spare;
    if (ok) {
        pack(packed, N, 0, N, H, p->w_hidden + r * N * H, H, 1);
        for (int64_t t = p->T; t-- > 0;) {
            step_back(p, &rows, r, t, b0, b1, spare);
            /* a GRU's recurrent product made r, k and own's n: columns 0 … 2H and 3H … 4H */
            const REAL *d = p->d_gates + r * p->gates_stride + (t * B + b0) * S;
            Left left = {d, d + 3 * H, gru ? 2 * H : N, gru ? H : 0, S, S, 0};
            multiply(M, H, &left, packed, p->d_h + (r * B + b0) * H, H, NULL);
        }
    }
    rows_end(&rows);
    free(packed), free(spare);
    return !ok;
}

#define DEPTH 256 /* products of a weight's gradient that are summed before they join the rest */
#define HEIGHT (16 * ROWS)

/* Rows n0 … n1 of replica r's d_weights, the sum over time and examples of d_gates ⊗ (x, h), and of d_bias, that of d_gates. */
static int backward_weights_part(const Problem *p, int64_t r, int64_t n0, int64_t n1)
{
    const int64_t T = p->T, B = p->B, H = p->H, I = p->I, S = saved_of(p) * H, N = I + H, points = T * B;
    REAL *right = room(panels(N) * PANEL * DEPTH), *left = room(HEIGHT * DEPTH), *row = room(panels(N) * PANEL);
    const int ok = right && left && row;
    REAL *out = p->d_weights + r * S * N, *d_bias = p->d_bias + r * S;
    if (ok) {
        memset(row, 0, (size_t)(panels(N) * PANEL) * sizeof(REAL));
        memset(out + n0 * N, 0, (size_t)((n1 - n0) * N) * sizeof(REAL));
        memset(d_bias + n0, 0, (size_t)(n1 - n0) * sizeof(REAL));
        for (int64_t first = 0; first < points; first += DEPTH) {
            const int64_t K = points - first < DEPTH ? points - first : DEPTH;
            const REAL *d = p->d_gates + r * p->gates_stride + first * S;
            for (int64_t k = 0; k < K; k++) {
                const int64_t t = (first + k) / B, b = (first + k) % B;
                memcpy(row, p->x + r * p->x_stride[0] + t * p->x_stride[1] + b * p->x_stride[2], (size_t)I * sizeof(REAL));
                memcpy(row + I, p->hs + r * p->states_stride + (first + k) * H, (size_t)H * sizeof(REAL));
                for (int64_t q = 0; q < panels(N); q++)
                    memcpy(right + (q * K + k) * PANEL, row + q * PANEL, PANEL * sizeof(REAL));
            }
            for (int64_t n = n0; n < n1; n += HEIGHT) {
                const int64_t M = n1 - n < HEIGHT ? n1 - n : HEIGHT;
                REAL sum[HEIGHT] = {0};
                for (int64_t k = 0; k < K; k++)
                    for (int64_t m = 0; m < M; m++) {
                        left[(m / ROWS * K + k) * ROWS + m % ROWS] = d[k * S + n + m];
                        sum[m] += d[k * S + n + m];
                    }
                for (int64_t m = 0; m < M; m++) d_bias[n + m] += sum[m];
                Left columns = {left, left, K, 0, 0, 0, 1};
                multiply(M, N, &columns, right, out + n * N, N, NULL);
            }
        }
    }
    free(right), free(left), free(row);
    return !ok;
}

/* d_x [R, T, B, I] of replica r, examples b0 … b1, from d_gates. */
static int backward_input_part(const Problem *p, int64_t r, int64_t b0, int64_t b1)
{
    const int64_t T = p->T, B = p->B, I = p->I, N = gates_of(p) * p->H, S = saved_of(p) * p->H;
    REAL *packed = room(panels(I) * PANEL * N), *zeros = calloc((size_t)(panels(I) * PANEL), sizeof(REAL));
    const int ok = packed && zeros;
    if (ok) {
        pack(packed, N, 0, N, I, p->w_in + r * N * I, I, 1);
        for (int64_t t = 0; t < T; t++) {
            const REAL *d = p->d_gates + r * p->gates_stride + (t * B + b0) * S;
            Left left = {d, d, N, 0, S, 0, 0};
            multiply(b1 - b0, I, &left, packed, p->d_x + ((r * T + t) * B + b0) * I, I, zeros);
        }
    }
    free(packed), free(zeros);
    return !ok;
}

/* ---- all replicas, on threads ---- */

#define LEAST 16 /* examples, or rows of a weight, that are worth a thread */

typedef int (*Part)(const Problem *, int64_t, int64_t, int64_t);

static int spread(Part work, const Problem *p, int64_t size)
{
    int64_t parts = (p->threads + p->R - 1) / p->R;
    if (parts > size / LEAST) parts = size / LEAST;
    if (parts < 1) parts = 1;
    int failed = 0;
#pragma omp parallel for schedule(dynamic) num_threads((int)p->threads) reduction(| : failed) if (p->threads > 1 && p->R * parts > 1)
    for (int64_t q = 0; q < p->R * parts; q++) {
        int64_t part = q % parts;
        failed |= work(p, q / parts, size * part / parts, size * (part + 1) / parts);
    }
    return failed;
}

/* Each returns 0, or 1 where memory did not suffice. */
int forward(const Problem *p) { return spread(forward_part, p, p->B); }
int backward(const Problem *p) { return spread(backward_part, p, p->B); }
int backward_weights(const Problem *p) { return spread(backward_weights_part, p, saved_of(p) * p->H); }
int backward_input(const Problem *p) { return spread(backward_input_part, p, p->B); }
