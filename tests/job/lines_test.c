/* The line assembler against what it promises: whole lines, in order, any bytes, never blocking. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "job/lines.h"

struct fixture {
    int ends[2];
    struct lines_output output;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (fixture == NULL || pipe(fixture->ends) != 0)
        return -1;
    lines_output_init(&fixture->output, fixture->ends[1]);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    lines_output_free(&fixture->output);
    close(fixture->ends[0]);
    close(fixture->ends[1]);
    free(fixture);
    return 0;
}

static void feed(struct lines_stream *stream, const char *text)
{
    lines_feed(stream, text, strlen(text));
}

static void expect(struct fixture *fixture, const char *wanted)
{
    char read_back[4096] = "";
    size_t size = strlen(wanted);

    assert_true(lines_output_write(&fixture->output));
    if (size > 0)
        assert_int_equal(read(fixture->ends[0], read_back, sizeof read_back), size);
    assert_string_equal(read_back, wanted);
}

static void lines_wait_for_their_end(void **state)
{
    struct fixture *fixture = *state;
    struct lines_stream one, two;

    lines_stream_init(&one, &fixture->output, NULL);
    lines_stream_init(&two, &fixture->output, NULL);
    feed(&one, "on");
    feed(&two, "two\ntw");
    feed(&one, "e\non");
    expect(fixture, "two\none\n");
    feed(&two, "o again\n");
    feed(&one, "e again\n");
    expect(fixture, "two again\none again\n");
    lines_end(&one);
    lines_end(&two);
    expect(fixture, "");
}

static void every_line_has_its_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct lines_stream stream;

    lines_stream_init(&stream, &fixture->output, "[3 host] ");
    feed(&stream, "a\n\nb\nc");
    lines_show(&stream);
    feed(&stream, "d\ne");
    lines_end(&stream);
    expect(fixture, "[3 host] a\n[3 host] \n[3 host] b\n[3 host] cd\n[3 host] e");
}

static void last_text_without_newline_stays_exact_and_apart(void **state)
{
    struct fixture *fixture = *state;
    struct lines_stream one, two;

    lines_stream_init(&one, &fixture->output, NULL);
    feed(&one, "the end");
    lines_end(&one);
    expect(fixture, "the end");
    lines_stream_init(&two, &fixture->output, NULL);
    feed(&two, "more\n");
    expect(fixture, "\nmore\n");
    lines_end(&two);
}

static void a_shown_prompt_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct lines_stream parent, rank;

    lines_stream_init(&parent, &fixture->output, NULL);
    lines_stream_init(&rank, &fixture->output, "[1] ");
    feed(&parent, "name? ");
    expect(fixture, "");
    lines_show(&parent);
    expect(fixture, "name? ");
    feed(&parent, "thanks\nand? ");
    lines_show(&parent);
    expect(fixture, "thanks\nand? ");
    feed(&rank, "line\n");
    feed(&parent, "done\n");
    expect(fixture, "\n[1] line\ndone\n");
    lines_end(&parent);
    lines_end(&rank);
}

static void a_successor_takes_the_unfinished_line(void **state)
{
    struct fixture *fixture = *state;
    struct lines_stream former, next;

    lines_stream_init(&former, &fixture->output, NULL);
    lines_stream_init(&next, &fixture->output, NULL);
    feed(&former, "shown ");
    lines_show(&former);
    feed(&former, "held ");
    lines_move(&former, &next);
    lines_end(&former);
    feed(&next, "finished\n");
    expect(fixture, "shown held finished\n");
    lines_end(&next);
}

/* A full pipe takes nothing, and nothing is lost or blocked meanwhile. */
static void a_slow_reader_blocks_nobody(void **state)
{
    enum { LINES = 50000, SIZE = 8 };
    struct fixture *fixture = *state;
    struct lines_stream stream;
    char line[SIZE + 1], read_back[SIZE];
    int count = 0;

    lines_stream_init(&stream, &fixture->output, NULL);
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "%07d\n", i);
        lines_feed(&stream, line, SIZE);
        if (i % 1000 == 0)
            lines_output_write(&fixture->output);
    }
    assert_false(lines_output_write(&fixture->output));
    while (count < LINES) {
        assert_int_equal(read(fixture->ends[0], read_back, SIZE), SIZE);
        assert_int_equal(strtol(read_back, NULL, 10), count);
        count++;
        lines_output_write(&fixture->output);
    }
    assert_int_equal(lines_output_waiting(&fixture->output), 0);
    lines_end(&stream);
}

static void a_vanished_reader_is_noticed(void **state)
{
    struct lines_output output;
    struct lines_stream stream;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    lines_output_init(&output, ends[1]);
    lines_stream_init(&stream, &output, NULL);
    feed(&stream, "nobody reads\n");
    assert_true(lines_output_write(&output));
    assert_true(output.broken);
    feed(&stream, "this neither\n");
    assert_int_equal(lines_output_waiting(&output), 0);
    lines_end(&stream);
    lines_output_free(&output);
    close(ends[1]);
}

/* Beyond the limit a line comes in pieces, all of it. */
static void an_endless_line_takes_bounded_memory(void **state)
{
    enum { PIECE = 1 << 20 };
    struct fixture *fixture = *state;
    struct lines_stream stream;
    char *piece = malloc(PIECE);

    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    lines_stream_init(&stream, &fixture->output, NULL);
    for (size_t fed = 0; fed <= LINES_HELD_MAX; fed += PIECE) {
        lines_feed(&stream, piece, PIECE);
        assert_true(stream.held.size <= LINES_HELD_MAX);
    }
    assert_int_equal(lines_output_waiting(&fixture->output) + stream.held.size,
                     LINES_HELD_MAX + PIECE);
    fixture->output.broken = true; /* what the pipe does not take is of no interest */
    lines_end(&stream);
    free(piece);
}

/* Several streams of random bytes in random pieces: every line comes out whole, each stream's in
 * order. The first byte of a line names its stream, the second counts. */
static void random_pieces_make_whole_lines(void **state)
{
    enum { STREAMS = 5, STEPS = 20000, MOST = 60 };
    struct fixture *fixture = *state;
    struct lines_stream streams[STREAMS];
    unsigned char next[STREAMS] = { 0 }, fed[STREAMS] = { 0 };
    struct text begun[STREAMS] = { { 0 } };
    unsigned random = 1;
    const char *at;

    for (int i = 0; i < STREAMS; i++)
        lines_stream_init(&streams[i], &fixture->output, NULL);
    for (int step = 0; step < STEPS; step++) {
        int i = rand_r(&random) % STREAMS;
        size_t piece;

        if (begun[i].size == 0) {
            char head[2] = { (char)('a' + i), (char)(fed[i]++ % 100 + 100) };

            text_append_bytes(&begun[i], head, 2);
            for (int j = rand_r(&random) % MOST; j > 0; j--) {
                char byte = (char)(rand_r(&random) % 246);

                text_append_bytes(&begun[i], byte == '\n' ? "\0" : &byte, 1);
            }
            text_append_bytes(&begun[i], "\n", 1);
        }
        piece = 1 + (size_t)rand_r(&random) % begun[i].size;
        lines_feed(&streams[i], begun[i].data, piece);
        memmove(begun[i].data, begun[i].data + piece, begun[i].size - piece);
        begun[i].size -= piece;
    }
    at = fixture->output.queue.data;
    while (at < fixture->output.queue.data + fixture->output.queue.size) {
        int i = at[0] - 'a';

        assert_in_range(i, 0, STREAMS - 1);
        assert_int_equal(at[1], (char)(next[i]++ % 100 + 100));
        at = memchr(at, '\n',
                    (size_t)(fixture->output.queue.data + fixture->output.queue.size - at));
        assert_non_null(at);
        at++;
    }
    for (int i = 0; i < STREAMS; i++) {
        assert_in_range(fed[i] - next[i], 0, 1);
        lines_end(&streams[i]);
        text_free(&begun[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_wait_for_their_end, setup, teardown),
        cmocka_unit_test_setup_teardown(every_line_has_its_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(last_text_without_newline_stays_exact_and_apart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_shown_prompt_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_successor_takes_the_unfinished_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_blocks_nobody, setup, teardown),
        cmocka_unit_test(a_vanished_reader_is_noticed),
        cmocka_unit_test_setup_teardown(an_endless_line_takes_bounded_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(random_pieces_make_whole_lines, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
