/* Feeds every file of a corpus to a fuzz target, so that what was once found stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    enum { INPUT_MOST = 1 << 20 };
    uint8_t *data = malloc(INPUT_MOST);
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL || data == NULL) {
        fprintf(stderr, "fuzz_replay: %s cannot be read\n", path);
        return 1;
    }
    size = fread(data, 1, INPUT_MOST, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(void)
{
    DIR *folder = opendir(FUZZ_CORPUS);
    const struct dirent *entry;
    int inputs = 0, failed = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, FUZZ_CORPUS "/%s", entry->d_name);
        failed |= replay(path);
        inputs++;
    }
    if (folder != NULL)
        closedir(folder);
    printf("%d inputs\n", inputs);
    return failed || inputs == 0;
}
