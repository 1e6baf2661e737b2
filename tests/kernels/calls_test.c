/* The public calls against the references: `calls_test` on the CPU, `calls_test gpu` on a GPU or
 * its stand-in. 77 where there is none. */
#include "guarded.h"

#include <stdio.h>

#include "kernels/mandelbrot.h"
#include "kernels/monte_carlo.h"
#include "troupe/kernels.h"

enum { SKIPPED = 77 };

static int where = TROUPE_KERNELS_CPU;
static troupe_kernels *kernels;

static int place_open(void **state)
{
    (void)state;
    return troupe_kernels_open(where, &kernels) == TROUPE_OK ? 0 : -1;
}

static int place_close(void **state)
{
    (void)state;
    troupe_kernels_close(kernels);
    return 0;
}

static void it_runs_where_it_was_told_to(void **state)
{
    troupe_kernels *other = NULL;

    (void)state;
    assert_int_equal(troupe_kernels_where(kernels), where);
    assert_int_equal(troupe_kernels_open(3, &other), TROUPE_BAD_ARGUMENT);
    assert_int_equal(troupe_kernels_open(-1, &other), TROUPE_BAD_ARGUMENT);
    assert_null(other);
    assert_int_equal(troupe_kernels_open(TROUPE_KERNELS_CPU, &other), TROUPE_OK);
    assert_int_equal(troupe_kernels_where(other), TROUPE_KERNELS_CPU);
    troupe_kernels_close(other);
    troupe_kernels_close(NULL);
}

static void stream_verifies_at_every_size(void **state)
{
    (void)state;
    for (int i = 1; i < GUARDED_SIZES; i++) { /* 0 asks for the default */
        const troupe_stream_options options = { .elements = guarded_sizes[i], .compare = i % 2 };
        troupe_stream_result result;

        memset(&result, GUARD_POISON, sizeof result);
        assert_int_equal(troupe_kernels_stream(kernels, &options, &result), TROUPE_OK);
        assert_int_equal(result.elements, guarded_sizes[i]);
        assert_int_equal(result.wrong, 0);
        assert_true(result.rounds >= 1);
        assert_true(result.bytes_each_s >= 0);
        if (!options.compare)
            assert_true(result.copied_each_s == 0);
    }
}

static void stream_goes_on_for_its_time(void **state)
{
    const troupe_stream_options brief = { .elements = 1000 };
    const troupe_stream_options longer = { .elements = 1000, .seconds = 0.1 };
    troupe_stream_result one, many;

    (void)state;
    assert_int_equal(troupe_kernels_stream(kernels, &brief, &one), TROUPE_OK);
    assert_int_equal(troupe_kernels_stream(kernels, &longer, &many), TROUPE_OK);
    assert_true(many.rounds >= one.rounds);
    assert_int_equal(many.wrong, 0);
}

static void stream_refuses_nonsense(void **state)
{
    const troupe_stream_options refused[] = {
        { .seconds = -1 },
        { .seconds = (double)NAN },
        { .sharers = -1 },
        { .elements = UINT64_MAX },
    };
    troupe_stream_result result = { .rounds = 5 };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(troupe_kernels_stream(kernels, &refused[i], &result), TROUPE_BAD_ARGUMENT);
        assert_int_equal(result.rounds, 5);
    }
}

static void tiles_are_the_references(void **state)
{
    uint64_t random = 17;

    (void)state;
    for (int i = 0; i < 40; i++) {
        troupe_mandelbrot_tile tile = {
            .left = random_between(&random, -2.5, 1),
            .top = random_between(&random, -1.5, 1.5),
            .step = random_between(&random, 1e-6, 1e-2),
            .column = (uint32_t)(random_next(&random) % 1000),
            .row = (uint32_t)(random_next(&random) % 1000),
            .width = i % 8 == 0 ? 0 : (uint32_t)(random_next(&random) % 70),
            .height = (uint32_t)(random_next(&random) % 70),
            .limit = (uint32_t)(random_next(&random) % 500),
        };
        struct mandelbrot_tile same = { tile.left, tile.top,   tile.step,   tile.column,
                                        tile.row,  tile.width, tile.height, tile.limit };
        size_t bytes = (size_t)tile.width * tile.height * sizeof(uint32_t);
        struct guarded found_room, wanted_room;
        uint32_t *found = guarded_new(&found_room, bytes, sizeof(uint32_t));
        uint32_t *wanted = guarded_new(&wanted_room, bytes, 0);

        assert_int_equal(troupe_kernels_mandelbrot(kernels, &tile, found), TROUPE_OK);
        mandelbrot_reference(same, wanted);
        assert_memory_equal(found, wanted, bytes);
        guarded_end(&found_room);
        guarded_end(&wanted_room);
    }
}

static void draws_are_the_references(void **state)
{
    uint64_t random = 23;

    (void)state;
    for (int i = 0; i < GUARDED_SIZES; i++) {
        uint64_t seed = random_next(&random), first = random_next(&random), wanted = 0, found = 1;

        monte_carlo_reference(seed, first, guarded_sizes[i], &wanted);
        assert_int_equal(troupe_kernels_monte_carlo(kernels, seed, first, guarded_sizes[i], &found),
                         TROUPE_OK);
        assert_int_equal(found, wanted);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_where_it_was_told_to),
        cmocka_unit_test(stream_verifies_at_every_size),
        cmocka_unit_test(stream_goes_on_for_its_time),
        cmocka_unit_test(stream_refuses_nonsense),
        cmocka_unit_test(tiles_are_the_references),
        cmocka_unit_test(draws_are_the_references),
    };

    if (argc > 1 && strcmp(argv[1], "gpu") == 0)
        where = TROUPE_KERNELS_GPU;
    if (troupe_kernels_open(where, &kernels) == TROUPE_NO_GPU) {
        printf("skipped: %s\n", troupe_last_error());
        return SKIPPED;
    }
    troupe_kernels_close(kernels);
    return cmocka_run_group_tests(tests, place_open, place_close);
}
