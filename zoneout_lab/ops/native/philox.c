/* Philox 4×64-10 (Salmon et al., SC 2011) as NumPy has it: the same words, straight into masks. */
#include <stdint.h>

#define AT_ONCE 2 /* blocks in flight: one multiplication need not wait for another block's */

static inline void multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    *low = (uint64_t)product;
}

/* Words of AT_ONCE blocks at consecutive counters: word[j][n] is word j of block n. */
static inline void blocks(uint64_t seed, uint64_t first, const uint64_t *counter, uint64_t word[4][AT_ONCE])
{
    for (int n = 0; n < AT_ONCE; n++) {
        word[0][n] = first + (uint64_t)n;
        for (int j = 1; j < 4; j++) word[j][n] = counter[j];
    }
    uint64_t k0 = seed, k1 = 0;
    for (int round = 0; round < 10; round++) {
        for (int n = 0; n < AT_ONCE; n++) {
            uint64_t h0, l0, h1, l1;
            multiply(0xD2E7470EE14C6C93u, word[0][n], &h0, &l0);
            multiply(0xCA5A826395121157u, word[2][n], &h1, &l1);
            word[0][n] = h1 ^ word[1][n] ^ k0;
            word[1][n] = l1;
            word[2][n] = h0 ^ word[3][n] ^ k1;
            word[3][n] = l0;
        }
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
}

/* One replica's mask. out[t, b, unit], its units neighbours: 1 where the unit's 16 bits lie below its threshold.
 *
 * counter: the four words of the first block. rows: examples and timesteps the mask has flips for; strides are out's.
 * thresholds: [units] or, with threshold_stride 0, one for all; 65536 is always.
 */
void draw(uint64_t seed, const uint64_t *counter, int64_t examples, int64_t steps, int64_t units, const int32_t *thresholds,
          int64_t threshold_stride, uint8_t *out, int64_t example_stride, int64_t step_stride, int64_t threads)
{
    const int64_t groups = (units + 15) / 16, all = examples * steps * groups;
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && all > 4096)
    for (int64_t first = 0; first < all; first += AT_ONCE) {
        uint64_t word[4][AT_ONCE];
        blocks(seed, counter[0] + (uint64_t)first, counter, word);
        for (int64_t n = 0; n < AT_ONCE && first + n < all; n++) {
            const int64_t row = (first + n) / groups, unit = (first + n) % groups * 16;
            const int64_t count = units - unit < 16 ? units - unit : 16;
            uint8_t *to = out + row / steps * example_stride + row % steps * step_stride + unit;
            const int32_t *below = thresholds + unit * threshold_stride;
            int32_t lane[16];
            for (int k = 0; k < 16; k++) lane[k] = (int32_t)(word[k / 4][n] >> (k % 4 * 16) & 0xffff);
            if (count == 16 && !threshold_stride)
                for (int k = 0; k < 16; k++) to[k] = lane[k] < *below;
            else
                for (int64_t k = 0; k < count; k++) to[k] = lane[k] < below[k * threshold_stride];
        }
    }
}
