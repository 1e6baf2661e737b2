/* The reference of monte_carlo: the generator against the vectors published with it, the counts
 * against one draw at a time, and the sum over any parts. */
#include "guarded.h"

#include "kernels/monte_carlo.h"

/* From Random123's kat_vectors, philox4x32 with 10 rounds. */
static const struct {
    uint32_t counter[4], key[2], words[4];
} published[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
      { 0xffffffff, 0xffffffff },
      { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
      { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

static void published_vectors(void **state)
{
    uint32_t words[4];

    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        monte_carlo_philox_reference(published[i].counter, published[i].key, words);
        assert_memory_equal(words, published[i].words, sizeof words);
    }
}

/* Two points of one draw, judged in 128 bits. */
static uint64_t oracle(uint64_t seed, uint64_t draw)
{
    uint32_t counter[4] = { (uint32_t)draw, (uint32_t)(draw >> 32), 0, 0 }, words[4];
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint64_t inside = 0;

    monte_carlo_philox_reference(counter, key, words);
    for (int i = 0; i < 4; i += 2) {
        unsigned __int128 x = words[i], y = words[i + 1];

        inside += x * x / 2 + y * y / 2 < (unsigned __int128)1 << 63;
    }
    return inside;
}

static void counts_are_right(void **state)
{
    uint64_t random = 3;

    (void)state;
    for (int size = 0; size < GUARDED_SIZES; size++) {
        uint64_t seed = random_next(&random), first = random_next(&random), expected = 11;
        uint64_t draws = guarded_sizes[size], inside = 11; /* it is added to what is there */

        for (uint64_t i = 0; i < draws; i++)
            expected += oracle(seed, first + i);
        monte_carlo_reference(seed, first, draws, &inside);
        assert_int_equal(inside, expected);
    }
}

static void any_parts_have_one_sum(void **state)
{
    const uint64_t draws = 100000, seed = 5, near_the_carry = UINT32_MAX - draws / 2;
    uint64_t whole = 0, random = 9;

    (void)state;
    monte_carlo_reference(seed, near_the_carry, draws, &whole);
    for (int parts = 1; parts <= 8; parts++) {
        uint64_t sum = 0, done = 0;

        while (done < draws) {
            uint64_t part = random_next(&random) % (2 * draws / (uint64_t)parts) + 1;

            part = part < draws - done ? part : draws - done;
            monte_carlo_reference(seed, near_the_carry + done, part, &sum);
            done += part;
        }
        assert_int_equal(sum, whole);
    }
}

/* A generator that is wrong in some bits may pass the rest: the share is that of the circle. */
static void the_share_is_the_circles(void **state)
{
    const uint64_t draws = 2000000;
    uint64_t inside = 0;
    double share, deviation;

    (void)state;
    monte_carlo_reference(42, 0, draws, &inside);
    share = (double)inside / (double)(draws * MONTE_CARLO_POINTS);
    deviation = sqrt(0.7854 * 0.2146 / (double)(draws * MONTE_CARLO_POINTS));
    assert_true(fabs(share - 3.14159265358979 / 4) < 5 * deviation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(counts_are_right),
        cmocka_unit_test(any_parts_have_one_sum),
        cmocka_unit_test(the_share_is_the_circles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
