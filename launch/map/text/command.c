#include "launch/map/text/command.h"

#include <string.h>

#include "base/error.h"
#include "launch/map/text/sources.h"

size_t command_end(char *const *words, size_t count)
{
    size_t end = 0;

    while (end < count && !sources_mark(words[end]))
        end++;
    return end;
}

int command_words(char *const *words, size_t count, struct words *command)
{
    int result;

    if (count == 1) {
        result = words_split_plain(command, words[0]);
        if (result == TROUPE_OK && command->count == 0)
            return fail(TROUPE_BAD_ARGUMENT, "the command is empty; write one, or none at all to "
                                             "run each input as a command");
        return result;
    }
    for (size_t i = 0; i < count; i++)
        words_append(command, words[i]);
    return command->broken ? fail(TROUPE_NO_MEMORY, "out of memory") : TROUPE_OK;
}
