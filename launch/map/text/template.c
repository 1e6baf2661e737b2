/* A template is a row of pieces: text that stays, places that are filled, and the ends of words. */
#include "launch/map/text/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/words.h"
#include "launch/map/text/command.h"
#include "launch/map/text/path.h"

enum kind {
    KIND_TEXT,
    KIND_INPUT,
    KIND_SEQ,
    KIND_RANK,
    KIND_SLOT,
    KIND_GPU,
    KIND_ATTEMPT,
    KIND_COMMAND, /* the input is the command */
    KIND_WORD_END
};

struct piece {
    enum kind kind;
    enum path_part part; /* of an input */
    int column;          /* from 1, or from -1 backwards; 0: all */
    bool is_word;        /* an input that is a whole word: each of its columns becomes one */
    const char *text;    /* into the template's text */
    size_t size;
};

struct template
{
    struct piece *pieces;
    size_t count, capacity;
    char *text; /* all words, with a zero behind each */
    bool shell;
    bool has_place; /* something but text: nothing is appended */
};

/* ---- reading -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum kind kind;
} place_names[] = {
    { "#", KIND_SEQ },     { "seq", KIND_SEQ }, { "%", KIND_SLOT },
    { "rank", KIND_RANK }, { "gpu", KIND_GPU }, { "attempt", KIND_ATTEMPT },
};

static const struct {
    const char *name;
    enum path_part part;
} part_names[] = {
    { "", PATH_WHOLE },    { ".", PATH_STEM },       { "/", PATH_LAST },
    { "//", PATH_FOLDER }, { "/.", PATH_LAST_STEM },
};

static bool equals(const char *name, const char *text, size_t size)
{
    return strlen(name) == size && memcmp(name, text, size) == 0;
}

/* The characters of a column's number in front of text; none when it is no number of a column. */
static size_t column_read(const char *text, size_t size, int *column)
{
    enum { DIGITS_MAX = 6 };
    size_t sign = size > 0 && text[0] == '-', at = sign;
    int number = 0;

    for (; at < size && at < sign + DIGITS_MAX && isdigit((unsigned char)text[at]); at++)
        number = 10 * number + (text[at] - '0');
    if (number == 0)
        return 0;
    *column = sign ? -number : number;
    return at;
}

/* Reads what stands between two braces; false when it is no place. */
static bool place_read(const char *text, size_t size, struct piece *piece)
{
    size_t number;

    *piece = (struct piece){ .kind = KIND_INPUT };
    for (size_t i = 0; i < sizeof place_names / sizeof *place_names; i++)
        if (equals(place_names[i].name, text, size)) {
            piece->kind = place_names[i].kind;
            return true;
        }
    number = column_read(text, size, &piece->column);
    for (size_t i = 0; i < sizeof part_names / sizeof *part_names; i++)
        if (equals(part_names[i].name, text + number, size - number)) {
            piece->part = part_names[i].part;
            return true;
        }
    return false;
}

static bool piece_add(struct template *template, struct piece piece)
{
    size_t capacity = template->capacity > 0 ? 2 * template->capacity : 16;
    struct piece *pieces;

    if (piece.kind == KIND_TEXT && piece.size == 0)
        return true;
    if (template->count == template->capacity) {
        pieces = realloc(template->pieces, capacity * sizeof *pieces);
        if (pieces == NULL)
            return false;
        template->pieces = pieces;
        template->capacity = capacity;
    }
    template->pieces[template->count++] = piece;
    template->has_place =
        template->has_place || (piece.kind != KIND_TEXT && piece.kind != KIND_WORD_END);
    return true;
}

/* Takes a word apart; its text must stay where it is. */
static bool word_read(struct template *template, const char *word)
{
    const char *from = word, *open = word;
    bool fits = true;

    while ((open = strchr(open, '{')) != NULL) {
        const char *close = strchr(open, '}');
        struct piece piece;

        if (close == NULL)
            break;
        if (!place_read(open + 1, (size_t)(close - open - 1), &piece)) {
            open++;
            continue;
        }
        piece.is_word = piece.column == 0 && open == word && close[1] == '\0';
        fits = fits && piece_add(template, (struct piece){ .text = from, .size = open - from }) &&
               piece_add(template, piece);
        from = open = close + 1;
    }
    return fits && piece_add(template, (struct piece){ .text = from, .size = strlen(from) }) &&
           piece_add(template, (struct piece){ .kind = KIND_WORD_END });
}

/* All words' text in one piece of memory, in which the pieces stand. */
static char *text_copy(char *const *words, size_t count)
{
    struct text text = { 0 };

    text_append_bytes(&text, "", 1);
    for (size_t i = 0; i < count; i++)
        text_append_bytes(&text, words[i], strlen(words[i]) + 1);
    if (text.broken)
        text_free(&text);
    return text.data;
}

static bool template_read(struct template *template, size_t count)
{
    const char *word = template->text + 1;
    bool fits = true;

    if (count == 0)
        return piece_add(template, (struct piece){ .kind = KIND_COMMAND });
    for (size_t i = 0; i < count && fits; i++) {
        fits = word_read(template, word);
        word += strlen(word) + 1;
    }
    if (!fits || template->has_place)
        return fits;
    return piece_add(template, (struct piece){ .kind = KIND_INPUT, .is_word = true }) &&
           piece_add(template, (struct piece){ .kind = KIND_WORD_END });
}

int template_parse(char *const *words, size_t count, bool shell, struct template **result)
{
    struct template *template = calloc(1, sizeof *template);

    if (template != NULL) {
        template->shell = shell;
        template->text = text_copy(words, count);
    }
    if (template == NULL || template->text == NULL || !template_read(template, count)) {
        template_free(template);
        return fail(TROUPE_NO_MEMORY, "no memory for a command of %zu words", count);
    }
    *result = template;
    return TROUPE_OK;
}

bool template_needs_place(const struct template *template)
{
    for (size_t i = 0; i < template->count; i++)
        switch (template->pieces[i].kind) {
        case KIND_RANK:
        case KIND_SLOT:
        case KIND_GPU:
        case KIND_ATTEMPT:
            return true;
        default:
            break;
        }
    return false;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    free(template->pieces);
    free(template->text);
    free(template);
}

/* ---- filling -------------------------------------------------------------------------------- */

/* A command in the making: its words one behind the other, each ended by a zero. */
struct command {
    struct text text;
    size_t words;
    bool shell;
};

static void value_append(struct command *command, troupe_bytes value)
{
    if (command->shell)
        words_quote_bytes(&command->text, value.data, value.size);
    else
        text_append_bytes(&command->text, value.data, value.size);
}

static void number_append(struct command *command, uint64_t number)
{
    text_append(&command->text, "%llu", (unsigned long long)number);
}

static void word_end(struct command *command)
{
    text_append_bytes(&command->text, "", 1);
    command->words++;
}

static troupe_bytes column_of(const struct map_input *input, int column)
{
    long long index = column > 0 ? column - 1LL : (long long)input->column_count + column;

    if (index < 0 || (unsigned long long)index >= input->column_count)
        return troupe_bytes_of("", 0);
    return input->columns[index];
}

static void input_append(struct command *command, const struct piece *piece,
                         const struct map_input *input)
{
    if (piece->column != 0) {
        value_append(command, path_part(column_of(input, piece->column), piece->part));
        return;
    }
    for (size_t i = 0; i < input->column_count; i++) {
        if (i > 0 && piece->is_word && !command->shell)
            word_end(command);
        else if (i > 0)
            text_append_bytes(&command->text, " ", 1);
        value_append(command, path_part(input->columns[i], piece->part));
    }
}

/* The input as a command of its own. */
static int command_append(struct command *command, const struct map_input *input)
{
    struct words words = { 0 };
    char *line = (char *)input->bytes;
    int result;

    if (command->shell) {
        text_append_bytes(&command->text, input->bytes, input->size);
        word_end(command);
        return TROUPE_OK;
    }
    result = command_words(&line, 1, &words);
    for (size_t i = 0; i < words.count && result == TROUPE_OK; i++) {
        text_append_bytes(&command->text, words.data[i], strlen(words.data[i]));
        word_end(command);
    }
    words_free(&words);
    return result;
}

static int piece_append(struct command *command, const struct piece *piece,
                        const struct map_input *input, const struct template_place *place)
{
    switch (piece->kind) {
    case KIND_TEXT:
        text_append_bytes(&command->text, piece->text, piece->size);
        break;
    case KIND_INPUT:
        input_append(command, piece, input);
        break;
    case KIND_SEQ:
        number_append(command, input->seq);
        break;
    case KIND_RANK:
        number_append(command, place->rank);
        break;
    case KIND_SLOT:
        number_append(command, place->rank + UINT64_C(1));
        break;
    case KIND_GPU:
        value_append(command, troupe_text(place->gpu != NULL ? place->gpu : ""));
        break;
    case KIND_ATTEMPT:
        number_append(command, place->attempt);
        break;
    case KIND_COMMAND:
        return command_append(command, input);
    case KIND_WORD_END:
        word_end(command);
        break;
    }
    return TROUPE_OK;
}

/* The shell's line is one word: a blank where each word but the last ended. */
static void words_join(struct command *command)
{
    for (size_t i = 0; i + 1 < command->text.size; i++)
        if (command->text.data[i] == '\0')
            command->text.data[i] = ' ';
    command->words = 1;
}

static char **argv_make(const struct command *command)
{
    static const char shell[] = "/bin/sh\0-c\0--";
    size_t shell_words = command->shell ? 3 : 0, shell_size = command->shell ? sizeof shell : 0;
    size_t count = shell_words + command->words;
    char **argv = malloc((count + 1) * sizeof *argv + shell_size + command->text.size);
    char *word;

    if (argv == NULL)
        return NULL;
    word = (char *)(argv + count + 1);
    memcpy(word, shell, shell_size);
    memcpy(word + shell_size, command->text.data, command->text.size);
    for (size_t i = 0; i < count; i++) {
        argv[i] = word;
        word += strlen(word) + 1;
    }
    argv[count] = NULL;
    return argv;
}

int template_expand(const struct template *template, const struct map_input *input,
                    const struct template_place *place, char ***argv)
{
    struct command command = { .shell = template->shell };
    int result = TROUPE_OK;
    char **made = NULL;

    for (size_t i = 0; i < template->count && result == TROUPE_OK; i++)
        result = piece_append(&command, &template->pieces[i], input, place);
    if (result == TROUPE_OK && template->shell)
        words_join(&command);
    if (result == TROUPE_OK && !command.text.broken)
        made = argv_make(&command);
    text_free(&command.text);
    if (result != TROUPE_OK)
        return result;
    if (made == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for the command of input %llu",
                    (unsigned long long)input->seq);
    *argv = made;
    return TROUPE_OK;
}
