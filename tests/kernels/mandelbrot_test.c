/* The reference of mandelbrot against one point at a time, and against known points. */
#include "guarded.h"

#include "kernels/mandelbrot.h"

/* volatile: every operation is rounded by itself, whatever the compiler would like to fuse. */
static uint32_t oracle(double across, double down, uint32_t limit)
{
    volatile double x = 0, y = 0, product, xx, yy;

    for (uint32_t steps = 0; steps < limit; steps++) {
        product = x * y;
        xx = x * x;
        yy = y * y;
        product = 2 * product;
        y = product + down;
        product = xx - yy;
        x = product + across;
        xx = x * x;
        yy = y * y;
        if (xx + yy > 4)
            return steps;
    }
    return limit;
}

static void tile_is_right(struct mandelbrot_tile tile, size_t offset)
{
    uint64_t points = (uint64_t)tile.width * tile.height;
    struct guarded room;
    uint32_t *counts = guarded_new(&room, points * sizeof *counts, offset);

    mandelbrot_reference(tile, counts);
    for (uint64_t i = 0; i < points; i++) {
        volatile double right = tile.step * (double)(tile.column + i % tile.width);
        volatile double below = tile.step * (double)(tile.row + i / tile.width);

        assert_int_equal(counts[i], oracle(tile.left + right, tile.top - below, tile.limit));
    }
    guarded_end(&room);
}

static void every_size_is_right(void **state)
{
    static const uint32_t sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33 };
    const size_t count = sizeof sizes / sizeof *sizes;
    struct mandelbrot_tile tile = { .left = -2, .top = 1.25, .step = 2.5 / 40, .limit = 100 };

    (void)state;
    for (size_t i = 0; i < count * count; i++) {
        tile.width = sizes[i / count];
        tile.height = sizes[i % count];
        tile_is_right(tile, i % 2 * sizeof(uint32_t));
    }
}

/* Wherever one looks, near the edge of the set and far beyond it. */
static void random_tiles_are_right(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct mandelbrot_tile tile = {
            .left = random_between(&random, -2.5, 1),
            .top = random_between(&random, -1.5, 1.5),
            .step = random_between(&random, 1e-9, 1e-2),
            .column = (uint32_t)(random_next(&random) % 100000),
            .row = (uint32_t)(random_next(&random) % 100000),
            .width = (uint32_t)(random_next(&random) % 40),
            .height = (uint32_t)(random_next(&random) % 40),
            .limit = (uint32_t)(random_next(&random) % 300),
        };

        tile_is_right(tile, 0);
    }
}

static uint32_t point(double across, double down, uint32_t limit)
{
    uint32_t count;

    mandelbrot_reference((struct mandelbrot_tile){ across, down, 0, 0, 0, 1, 1, limit }, &count);
    return count;
}

static void known_points(void **state)
{
    (void)state;
    assert_int_equal(point(0, 0, 1000), 1000);  /* the origin stays */
    assert_int_equal(point(-2, 0, 1000), 1000); /* the tip of the set: 2 for ever, not beyond */
    assert_int_equal(point(-1, 0, 1000), 1000); /* a cycle of two */
    assert_int_equal(point(3, 0, 1000), 0);     /* out at once */
    assert_int_equal(point(1, 0, 1000), 2);     /* 1, 2, 5 */
    assert_int_equal(point(0.25, 0, 0), 0);     /* no step is allowed */
    assert_int_equal(point(1, 0, 1), 1);
}

/* However the picture is cut, it is the same picture. */
static void tiles_make_the_picture(void **state)
{
    enum { WIDTH = 77, HEIGHT = 40, PART = 13 };
    const struct mandelbrot_tile all = { -0.75, 0.2, 1e-3, 0, 0, WIDTH, HEIGHT, 200 };
    uint32_t picture[HEIGHT][WIDTH], part[PART * PART];

    (void)state;
    mandelbrot_reference(all, &picture[0][0]);
    for (uint32_t row = 0; row < HEIGHT; row += PART)
        for (uint32_t column = 0; column < WIDTH; column += PART) {
            struct mandelbrot_tile tile = all;

            tile.row = row;
            tile.column = column;
            tile.width = WIDTH - column < PART ? WIDTH - column : PART;
            tile.height = HEIGHT - row < PART ? HEIGHT - row : PART;
            mandelbrot_reference(tile, part);
            for (uint32_t y = 0; y < tile.height; y++)
                assert_memory_equal(&part[y * tile.width], &picture[row + y][column],
                                    tile.width * sizeof *part);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_right),
        cmocka_unit_test(random_tiles_are_right),
        cmocka_unit_test(known_points),
        cmocka_unit_test(tiles_make_the_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
