/* mandelbrot on one core: the tests' oracle and the form without a GPU. LANES points step together,
 * in loops over all of them that the compiler vectorises. A lane that has escaped goes on to
 * infinities and NaN, which compare as false: its count stands still. */
#include "mandelbrot.h"

#include <stdbool.h>

/* LANES: several vectors' worth, since each step waits for the one before. STRIDE: steps between
 * two looks at whether anybody is still counting. */
enum { LANES = 16, STRIDE = 8 };

struct lanes {
    double across[LANES], x[LANES], y[LANES];
    double counts[LANES]; /* whole numbers; of the coordinates' type, as a vector has to be */
    double alive[LANES];  /* 1 or 0 */
};

/* Whatever happens to the points beyond the tile's edge is not stored. */
static void lanes_start(const struct mandelbrot_tile *tile, uint64_t x, struct lanes *lanes)
{
    for (int lane = 0; lane < LANES; lane++) {
        double column = (double)tile->column + (double)x + (double)lane;

        lanes->across[lane] = tile->left + tile->step * column;
        lanes->x[lane] = lanes->y[lane] = 0;
        lanes->counts[lane] = 0;
        lanes->alive[lane] = 1;
    }
}

static void lanes_step(struct lanes *restrict lanes, double down, uint32_t steps)
{
    for (uint32_t step = 0; step < steps; step++)
        for (int lane = 0; lane < LANES; lane++) {
            double x = lanes->x[lane], y = lanes->y[lane];
            double next_y = (x + x) * y + down;
            double next_x = (x * x - y * y) + lanes->across[lane];
            double size = next_x * next_x + next_y * next_y;

            lanes->alive[lane] = size <= 4.0 ? lanes->alive[lane] : 0.0;
            lanes->counts[lane] += lanes->alive[lane];
            lanes->x[lane] = next_x;
            lanes->y[lane] = next_y;
        }
}

static bool lanes_alive(const struct lanes *lanes)
{
    double alive = 0;

    for (int lane = 0; lane < LANES; lane++)
        alive += lanes->alive[lane];
    return alive > 0;
}

static void lanes_run(struct lanes *lanes, double down, uint32_t limit)
{
    uint32_t left = limit;

    while (left > 0 && lanes_alive(lanes)) {
        uint32_t steps = left < STRIDE ? left : STRIDE;

        lanes_step(lanes, down, steps);
        left -= steps;
    }
}

void mandelbrot_reference(struct mandelbrot_tile tile, uint32_t *restrict counts)
{
    struct lanes lanes;

    for (uint32_t y = 0; y < tile.height; y++) {
        double down = tile.top - tile.step * ((double)tile.row + (double)y);
        uint32_t *line = counts + (uint64_t)y * tile.width;

        for (uint64_t x = 0; x < tile.width; x += LANES) {
            lanes_start(&tile, x, &lanes);
            lanes_run(&lanes, down, tile.limit);
            for (uint64_t lane = 0; lane < LANES && lane < tile.width - x; lane++)
                line[x + lane] = (uint32_t)lanes.counts[lane];
        }
    }
}
