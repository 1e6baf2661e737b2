/* monte_carlo on one core: the tests' oracle and the form without a GPU. LANES draws go through the
 * rounds together, in loops over all of them that the compiler vectorises. */
#include "monte_carlo.h"

enum { LANES = 16 };

/* Words are kept in 64 bits: the vector unit multiplies 32 by 32 bits within such a lane. */
struct lanes {
    uint64_t words[4][LANES];
};

static void lanes_round(struct lanes *restrict lanes, uint32_t key_0, uint32_t key_1)
{
    const uint64_t low = UINT32_MAX;

    for (int lane = 0; lane < LANES; lane++) {
        uint64_t product_0 = PHILOX_MULTIPLY_0 * (lanes->words[0][lane] & low);
        uint64_t product_1 = PHILOX_MULTIPLY_1 * (lanes->words[2][lane] & low);

        lanes->words[0][lane] = (product_1 >> 32) ^ lanes->words[1][lane] ^ key_0;
        lanes->words[1][lane] = product_1 & low;
        lanes->words[2][lane] = (product_0 >> 32) ^ lanes->words[3][lane] ^ key_1;
        lanes->words[3][lane] = product_0 & low;
    }
}

static void lanes_philox(struct lanes *lanes, uint32_t key_0, uint32_t key_1)
{
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        lanes_round(lanes, key_0, key_1);
        key_0 += PHILOX_WEYL_0;
        key_1 += PHILOX_WEYL_1;
    }
}

/* Points of the first `used` lanes within the circle. */
static uint64_t lanes_inside(const struct lanes *lanes, int used)
{
    uint64_t outside = 0;

    for (int pair = 0; pair < 4; pair += 2)
        for (int lane = 0; lane < used; lane++) {
            uint64_t x = lanes->words[pair][lane], y = lanes->words[pair + 1][lane];

            outside += ((x * x >> 1) + (y * y >> 1)) >> 63;
        }
    return (uint64_t)used * MONTE_CARLO_POINTS - outside;
}

void monte_carlo_philox_reference(const uint32_t counter[4], const uint32_t key[2],
                                  uint32_t words[4])
{
    struct lanes lanes = { 0 };

    for (int word = 0; word < 4; word++)
        lanes.words[word][0] = counter[word];
    lanes_philox(&lanes, key[0], key[1]);
    for (int word = 0; word < 4; word++)
        words[word] = (uint32_t)lanes.words[word][0];
}

void monte_carlo_reference(uint64_t seed, uint64_t first, uint64_t draws, uint64_t *inside)
{
    struct lanes lanes;

    for (uint64_t done = 0; done < draws; done += LANES) {
        uint64_t rest = draws - done;

        for (int lane = 0; lane < LANES; lane++) {
            uint64_t draw = first + done + (uint64_t)lane;

            lanes.words[0][lane] = draw & UINT32_MAX;
            lanes.words[1][lane] = draw >> 32;
            lanes.words[2][lane] = lanes.words[3][lane] = 0;
        }
        lanes_philox(&lanes, (uint32_t)seed, (uint32_t)(seed >> 32));
        *inside += lanes_inside(&lanes, rest < LANES ? (int)rest : LANES);
    }
}
