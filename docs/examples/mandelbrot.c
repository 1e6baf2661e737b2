/* The Mandelbrot set as a picture, painted by all ranks: tiles wait in a queue, whoever is free
 * takes the next one, on its GPU or its core. The picture is the same for any number of ranks.
 *
 *   troupe run -n 4 ./mandelbrot [--ranks] [FILE.png [WIDTH HEIGHT]]
 *
 * --ranks lays each rank's colour over the tiles that it painted, so that one sees who did what. */
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/kernels.h>
#include <troupe/troupe.h>

enum { TILE = 128, SIDE_MOST = 32768, LIMIT = 1000, COLOURS = 3 };

/* A part of the plane: the whole set, with room around it. */
static const double centre_x = -0.65, centre_y = 0, height = 2.4;

struct job {
    troupe_queue tiles, painted;
};

/* A painted tile: who painted it, what it is, then its counts. */
struct piece {
    int32_t rank;
    troupe_mandelbrot_tile tile;
    uint32_t counts[TILE * TILE];
};

struct picture {
    const char *path;
    uint32_t width, height;
    int with_ranks;
    unsigned char *pixels; /* lines of three bytes a point */
};

/* ---- the ranks ---------------------------------------------------------------------------- */

static size_t piece_bytes(const struct piece *piece)
{
    return offsetof(struct piece, counts) +
           (size_t)piece->tile.width * piece->tile.height * sizeof *piece->counts;
}

static int tiles_paint(const struct job *job, troupe_kernels *kernels, struct piece *piece)
{
    int result;

    for (;;) {
        result =
            troupe_queue_get(job->tiles, &piece->tile, sizeof piece->tile, NULL, TROUPE_FOREVER);
        if (result == TROUPE_CLOSED)
            return TROUPE_OK;
        if (result == TROUPE_OK)
            result = troupe_kernels_mandelbrot(kernels, &piece->tile, piece->counts);
        if (result == TROUPE_OK)
            result = troupe_queue_put(job->painted, piece, piece_bytes(piece), TROUPE_FOREVER);
        if (result != TROUPE_OK)
            return result;
    }
}

static int painter(const void *argument, size_t bytes)
{
    struct piece *piece = malloc(sizeof *piece);
    troupe_kernels *kernels;
    int result =
        piece != NULL ? troupe_kernels_open(TROUPE_KERNELS_ANYWHERE, &kernels) : TROUPE_NO_MEMORY;

    (void)bytes;
    if (result == TROUPE_OK) {
        piece->rank = troupe_rank();
        result = tiles_paint(argument, kernels, piece);
        troupe_kernels_close(kernels);
    }
    free(piece);
    if (result != TROUPE_OK)
        fprintf(stderr, "rank %d: %s\n", troupe_rank(), troupe_last_error());
    return result == TROUPE_OK ? 0 : 1;
}

/* ---- colours ------------------------------------------------------------------------------ */

/* A hue from 0 to 1, as three bytes of full brightness. */
static void hue_colour(double hue, unsigned char *colour)
{
    for (int i = 0; i < COLOURS; i++) {
        double part = fabs(fmod(hue + (double)(COLOURS - i) / COLOURS, 1) * 6 - 3) - 1;

        colour[i] = (unsigned char)(255 * fmin(fmax(part, 0), 1));
    }
}

/* Black inside; outside from dark blue over white to orange and back, ever slower. */
static void count_colour(uint32_t count, unsigned char *colour)
{
    static const double slowness[COLOURS] = { 2.1, 1.9, 1.6 };
    double step = sqrt((double)count);

    for (int i = 0; i < COLOURS; i++)
        colour[i] = count == LIMIT ? 0 : (unsigned char)(127.5 - 127.5 * cos(step / slowness[i]));
}

static void piece_take(struct picture *picture, const struct piece *piece)
{
    const double golden = 0.61803398875; /* hues of neighbours lie far apart */
    const troupe_mandelbrot_tile *tile = &piece->tile;
    unsigned char rank_colour[COLOURS];

    hue_colour(fmod(piece->rank * golden, 1), rank_colour);
    for (uint32_t y = 0; y < tile->height; y++)
        for (uint32_t x = 0; x < tile->width; x++) {
            size_t place = (size_t)(tile->row + y) * picture->width + tile->column + x;
            unsigned char *pixel = picture->pixels + COLOURS * place;

            count_colour(piece->counts[(size_t)y * tile->width + x], pixel);
            for (int i = 0; i < COLOURS && picture->with_ranks; i++)
                pixel[i] = (unsigned char)((pixel[i] + rank_colour[i]) / 2);
        }
}

/* ---- the parent --------------------------------------------------------------------------- */

static uint32_t part(uint32_t whole, uint32_t from)
{
    return whole - from < TILE ? whole - from : TILE;
}

/* Puts every tile into the queue, and closes it. */
static int tiles_put(const struct job *job, const struct picture *picture, int *count)
{
    double step = height / picture->height;
    troupe_mandelbrot_tile tile = { .left = centre_x - step * (picture->width - 1) / 2,
                                    .top = centre_y + step * (picture->height - 1) / 2,
                                    .step = step,
                                    .limit = LIMIT };
    int result = TROUPE_OK;

    *count = 0;
    for (; tile.row < picture->height; tile.row += TILE)
        for (tile.column = 0; tile.column < picture->width && result == TROUPE_OK;
             tile.column += TILE) {
            tile.width = part(picture->width, tile.column);
            tile.height = part(picture->height, tile.row);
            result = troupe_queue_put(job->tiles, &tile, sizeof tile, TROUPE_FOREVER);
            ++*count;
        }
    if (result == TROUPE_OK)
        result = troupe_queue_close(job->tiles);
    return result;
}

/* Whether every painter is at work or ended well. */
static int painters_live(const troupe_process *painters)
{
    troupe_process_status status;

    for (int rank = 0; rank < troupe_world_size(); rank++) {
        if (troupe_process_status_get(painters[rank], &status) != TROUPE_OK)
            return 0;
        if (status.state > TROUPE_STATE_DONE || status.exit_code > 0)
            return 0;
    }
    return 1;
}

static int pieces_collect(const struct job *job, const troupe_process *painters, int count,
                          struct picture *picture)
{
    enum { LOOK_MS = 1000 }; /* how soon a painter that died is noticed */
    struct piece *piece = malloc(sizeof *piece);
    int result = piece != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    while (count > 0 && result == TROUPE_OK) {
        result = troupe_queue_get(job->painted, piece, sizeof *piece, NULL, LOOK_MS);
        if (result == TROUPE_OK) {
            piece_take(picture, piece);
            count--;
        } else if (result == TROUPE_EMPTY && painters_live(painters))
            result = TROUPE_OK;
    }
    free(piece);
    return result;
}

static int picture_write(const struct picture *picture)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = picture->width,
                        .height = picture->height,
                        .format = PNG_FORMAT_RGB };

    if (png_image_write_to_file(&image, picture->path, 0, picture->pixels, 0, NULL))
        return 1;
    fprintf(stderr, "mandelbrot: cannot write %s: %s\n", picture->path, image.message);
    return 0;
}

static int paint(struct picture *picture)
{
    troupe_process *painters = calloc((size_t)troupe_world_size(), sizeof *painters);
    struct job job;
    int count, result = painters != NULL ? TROUPE_OK : TROUPE_NO_MEMORY;

    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &job.tiles);
    if (result == TROUPE_OK)
        result = troupe_queue_create(NULL, &job.painted);
    for (int rank = 0; rank < troupe_world_size() && result == TROUPE_OK; rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };

        result = troupe_process_start(painter, &job, sizeof job, &options, &painters[rank]);
    }
    if (result == TROUPE_OK)
        result = tiles_put(&job, picture, &count);
    if (result == TROUPE_OK)
        result = pieces_collect(&job, painters, count, picture);
    free(painters);
    return result;
}

/* [--ranks] [FILE [WIDTH HEIGHT]] */
static int words_read(int argc, char **argv, struct picture *picture)
{
    int word = 1;

    *picture = (struct picture){ .path = "mandelbrot.png", .width = 1920, .height = 1080 };
    if (word < argc && strcmp(argv[word], "--ranks") == 0) {
        picture->with_ranks = 1;
        word++;
    }
    if (word < argc)
        picture->path = argv[word++];
    if (argc - word == 2) {
        picture->width = (uint32_t)strtoul(argv[word], NULL, 10);
        picture->height = (uint32_t)strtoul(argv[word + 1], NULL, 10);
        word += 2;
    }
    return word == argc && *picture->path != '-' && picture->width - 1 < SIDE_MOST &&
           picture->height - 1 < SIDE_MOST;
}

int main(int argc, char **argv)
{
    struct picture picture;
    int result = troupe_init(&argc, &argv), written = 0;

    if (result == TROUPE_OK && !words_read(argc, argv, &picture)) {
        fprintf(stderr, "usage: mandelbrot [--ranks] [FILE.png [WIDTH HEIGHT]], up to %d each\n",
                SIDE_MOST);
        return troupe_finalize(2);
    }
    if (result == TROUPE_OK) {
        picture.pixels = calloc((size_t)picture.width * picture.height, COLOURS);
        result = picture.pixels != NULL ? paint(&picture) : TROUPE_NO_MEMORY;
        written = result == TROUPE_OK && picture_write(&picture);
        free(picture.pixels);
    }
    if (result != TROUPE_OK)
        fprintf(stderr, "mandelbrot: %s: %s\n", troupe_result_name(result), troupe_last_error());
    return troupe_finalize(written ? 0 : 1);
}
