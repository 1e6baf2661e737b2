/* The references of stream against plain expressions, element by element. */
#include "guarded.h"

#include "kernels/stream.h"

/* Three arrays of n, unaligned to more than a double by offset, with random content in the two
 * that are read. */
struct arrays {
    struct guarded rooms[3];
    double *to, *left, *right;
};

static void arrays_new(struct arrays *arrays, uint64_t n, size_t offset)
{
    uint64_t random = n + offset;

    arrays->to = guarded_new(&arrays->rooms[0], n * sizeof(double), offset);
    arrays->left = guarded_new(&arrays->rooms[1], n * sizeof(double), offset);
    arrays->right = guarded_new(&arrays->rooms[2], n * sizeof(double), offset);
    for (uint64_t i = 0; i < n; i++) {
        arrays->left[i] = random_between(&random, -1e3, 1e3);
        arrays->right[i] = random_between(&random, -1e3, 1e3);
    }
}

static void arrays_end(struct arrays *arrays)
{
    for (int i = 0; i < 3; i++)
        guarded_end(&arrays->rooms[i]);
}

/* Whether bits are equal, also of zeros and NaN. */
static void assert_same(double found, double expected)
{
    assert_memory_equal(&found, &expected, sizeof found);
}

static void passes_are_right(uint64_t n, size_t offset)
{
    const double factor = 2.5;
    struct arrays arrays;

    arrays_new(&arrays, n, offset);
    stream_copy_reference(arrays.to, arrays.left, n);
    for (uint64_t i = 0; i < n; i++)
        assert_same(arrays.to[i], arrays.left[i]);
    stream_scale_reference(arrays.to, arrays.left, factor, n);
    for (uint64_t i = 0; i < n; i++)
        assert_same(arrays.to[i], arrays.left[i] * factor);
    stream_add_reference(arrays.to, arrays.left, arrays.right, n);
    for (uint64_t i = 0; i < n; i++)
        assert_same(arrays.to[i], arrays.left[i] + arrays.right[i]);
    stream_triad_reference(arrays.to, arrays.left, arrays.right, factor, n);
    for (uint64_t i = 0; i < n; i++) {
        double product = arrays.right[i] * factor;

        assert_same(arrays.to[i], arrays.left[i] + product);
    }
    arrays_end(&arrays);
}

static void every_pass_at_every_size(void **state)
{
    (void)state;
    for (int i = 0; i < GUARDED_SIZES; i++) {
        passes_are_right(guarded_sizes[i], 0);
        passes_are_right(guarded_sizes[i], sizeof(double));
    }
}

static void seeds_repeat_after_a_prime(void **state)
{
    (void)state;
    for (int size = 0; size < GUARDED_SIZES; size++) {
        uint64_t n = guarded_sizes[size], wrong = 7;
        struct guarded room;
        double *array = guarded_new(&room, n * sizeof *array, sizeof(double));

        stream_fill_reference(array, n);
        for (uint64_t i = 0; i < n; i++)
            assert_same(array[i], (double)(i % 1021 + 1));
        stream_check_reference(array, 1, n, &wrong);
        assert_int_equal(wrong, 7); /* nothing was added */
        guarded_end(&room);
    }
}

/* Each wrong element is found, wherever it is, and is counted once. */
static void what_is_planted_is_found(void **state)
{
    const uint64_t n = 5000, places[] = { 0, 1, 1020, 1021, 2041, 4998, 4999 };
    uint64_t planted = 0, wrong;
    struct guarded room;
    double *array = guarded_new(&room, n * sizeof *array, 0);

    (void)state;
    stream_fill_reference(array, n);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        array[places[i]] += i % 2 == 0 ? 1 : -0.5;
        wrong = 0;
        stream_check_reference(array, 1, n, &wrong);
        assert_int_equal(wrong, ++planted);
    }
    array[2000] = (double)NAN;
    wrong = 0;
    stream_check_reference(array, 1, n, &wrong);
    assert_int_equal(wrong, planted + 1);
    guarded_end(&room);
}

/* After so many rounds the three arrays are the multiples that the header promises. */
static void rounds_multiply_exactly(void **state)
{
    const uint64_t n = 1500;
    struct guarded rooms[3];
    double *a = guarded_new(&rooms[0], n * sizeof *a, 0);
    double *b = guarded_new(&rooms[1], n * sizeof *b, 0);
    double *c = guarded_new(&rooms[2], n * sizeof *c, 0);
    uint64_t factor = 1, wrong = 0;

    (void)state;
    stream_fill_reference(a, n);
    for (int round = 0; round < STREAM_ROUNDS_MAX; round++) {
        stream_copy_reference(c, a, n);
        stream_scale_reference(b, c, STREAM_SCALE, n);
        stream_add_reference(c, a, b, n);
        stream_triad_reference(a, b, c, STREAM_SCALE, n);
        stream_check_reference(b, (double)(factor * STREAM_B_GROWTH), n, &wrong);
        stream_check_reference(c, (double)(factor * STREAM_C_GROWTH), n, &wrong);
        factor *= STREAM_GROWTH;
        for (uint64_t i = 0; i < n; i++)
            assert_int_equal((uint64_t)a[i], factor * (i % 1021 + 1));
    }
    assert_int_equal(wrong, 0);
    for (int i = 0; i < 3; i++)
        guarded_end(&rooms[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pass_at_every_size),
        cmocka_unit_test(seeds_repeat_after_a_prime),
        cmocka_unit_test(what_is_planted_is_found),
        cmocka_unit_test(rounds_multiply_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
