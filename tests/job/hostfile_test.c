/* Host files: what is read, what is refused with file:line, and how ranks are dealt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/hostfile.h"
#include "troupe/troupe.h"

static char path[] = "/tmp/troupe-hostfile-XXXXXX";

static int read_text(const char *text, size_t size, struct hostfile *hostfile)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
    return hostfile_read(path, hostfile);
}

static void expect_hosts(const struct hostfile *hostfile, const char *names, const int *slots)
{
    char joined[256] = "";

    for (size_t i = 0; i < hostfile->count; i++) {
        strcat(joined, i > 0 ? " " : "");
        strcat(joined, hostfile->hosts[i].name);
        assert_int_equal(hostfile->hosts[i].slots, slots[i]);
    }
    assert_string_equal(joined, names);
}

static void files_are_read(void **state)
{
    static const struct {
        const char *text, *names;
        int slots[3], all;
    } cases[] = {
        { "a slots=4\nb slots=2\n", "a b", { 4, 2 }, 6 },
        { "# lab\n\n  a\tslots = 4 max-slots=8 # old\r\nuser@b\n", "a b", { 4, 0 }, 0 },
        { "a slots=1\nb\na slots=2", "a b", { 3, 0 }, 0 },
        { "10.0.0.1 count=3\nnode-2.lab cpus=1\n", "10.0.0.1 node-2.lab", { 3, 1 }, 4 },
        { "fe80::1 slots=2\n", "fe80::1", { 2 }, 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hostfile hostfile;

        if (read_text(cases[i].text, strlen(cases[i].text), &hostfile) != TROUPE_OK)
            fail_msg("%s", troupe_last_error());
        expect_hosts(&hostfile, cases[i].names, cases[i].slots);
        assert_int_equal(hostfile_slots(&hostfile), cases[i].all);
        hostfile_free(&hostfile);
    }
}

static void wrong_lines_are_named(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        { "a\nb slots=abc\n", ":2: ", "slots=abc" },
        { "a slots=0\n", ":1: ", "slots=0" },
        { "a slots=-3\n", ":1: ", "slots=-3" },
        { "a slots=\n", ":1: ", "slots=" },
        { "a slots=99999999999999999999\n", ":1: ", "slots=99999999999999999999" },
        { "a slot=4\n", ":1: ", "slot=" },
        { "a 4\n", ":1: ", "4 is no setting" },
        { "\n\n^a\n", ":3: ", "^a" },
        { "slots=4\n", ":1: ", "slots=4 is no name" },
        { "-o slots=4\n", ":1: ", "-o" },
        { "user@ slots=4\n", ":1: ", "user@" },
        { "a\nuser@node1:4\n", ":2: ", "write: node1 slots=4" },
        { "a slots=2147483647\na slots=1\n", "", "more than" },
        { "# nothing\n", ": ", "names no host" },
        { "", ": ", "names no host" },
    };
    static const char zero[] = "a\0b\n";
    struct hostfile hostfile;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), &hostfile),
                         TROUPE_BAD_ARGUMENT);
        assert_non_null(strstr(troupe_last_error(), cases[i].where));
        assert_non_null(strstr(troupe_last_error(), cases[i].what));
    }
    assert_int_equal(read_text(zero, sizeof zero - 1, &hostfile), TROUPE_BAD_ARGUMENT);
    assert_int_equal(hostfile_read("/nonexistent/hosts", &hostfile), TROUPE_NOT_FOUND);
    assert_int_equal(hostfile_read("/", &hostfile), TROUPE_NOT_FOUND);
}

static void lists_are_read(void **state)
{
    static const char *const wrong[] = { "", "a,,b", "a:0", "a:x", ",", "a b", "a:-1" };
    struct hostfile hostfile;

    (void)state;
    assert_int_equal(hostfile_read_list("a,b:4,u@c,a", &hostfile), TROUPE_OK);
    expect_hosts(&hostfile, "a b c", (int[]){ 2, 4, 1 });
    hostfile_free(&hostfile);
    assert_int_equal(hostfile_read_list("fe80::1", &hostfile), TROUPE_OK);
    expect_hosts(&hostfile, "fe80::1", (int[]){ 1 });
    hostfile_free(&hostfile);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hostfile_read_list(wrong[i], &hostfile), TROUPE_BAD_ARGUMENT);
}

static void ranks_fill_slots_in_order(void **state)
{
    static const struct {
        int ranks, counts[3];
    } cases[] = {
        { 1, { 1, 0, 0 } },  { 4, { 2, 2, 0 } },  { 7, { 2, 4, 1 } },
        { 10, { 2, 4, 4 } }, { 11, { 3, 4, 4 } }, { 14, { 4, 5, 5 } },
    };
    struct hostfile hostfile;

    (void)state;
    assert_int_equal(read_text("a slots=2\nb slots=4\nc\n", 22, &hostfile), TROUPE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int counts[3];

        hostfile_deal(&hostfile, cases[i].ranks, 4, counts);
        assert_memory_equal(counts, cases[i].counts, sizeof counts);
    }
    hostfile_free(&hostfile);
}

static int file_make(void **state)
{
    int descriptor = mkstemp(path);

    (void)state;
    return descriptor < 0 ? -1 : close(descriptor);
}

static int file_remove(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(ranks_fill_slots_in_order),
    };

    return cmocka_run_group_tests(tests, file_make, file_remove);
}
