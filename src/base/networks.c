#include "base/networks.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* Docker, Podman and CNI, libvirt, LXC and LXD. Docker's further networks are br- and twelve hex
 * digits. */
static const char *const beginnings[] = { "docker", "podman", "cni", "virbr", "lxcbr", "lxdbr" };

#define DOCKER_DIGITS 12

static bool is_within_host(const char *name)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return strncmp(name, "br-", 3) == 0 && strlen(name + 3) == DOCKER_DIGITS &&
           strspn(name + 3, "0123456789abcdef") == DOCKER_DIGITS;
}

static bool environment_chooses(const char *prefix)
{
    static const char mark[] = "OMPI_MCA_";

    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, mark, sizeof mark - 1) == 0 &&
            strncmp(*variable + sizeof mark - 1, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* A line "btl_tcp_if_include = eth0". Who includes may not exclude, too. */
static bool file_chooses(const char *path, const char *prefix)
{
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char line[4096];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line + strspn(line, " \t"), prefix, strlen(prefix)) == 0;
    fclose(file);
    return found;
}

static bool user_chooses(const char *prefix)
{
    const char *home = getenv("HOME");
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/.openmpi/mca-params.conf", home != NULL ? home : "");
    return home != NULL && file_chooses(path, prefix);
}

/* What Open MPI leaves out by itself comes first: a list takes its place. */
bool networks_to_avoid(const char *prefix, const char *conf, struct text *list)
{
    DIR *folder = opendir("/sys/class/net");
    const struct dirent *entry;
    size_t found = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (is_within_host(entry->d_name))
            text_append(list, "%s%s", found++ == 0 ? "127.0.0.1/8,sppp," : ",", entry->d_name);
    if (folder != NULL)
        closedir(folder);
    return found > 0 && !list->broken && !environment_chooses(prefix) && !user_chooses(prefix) &&
           !file_chooses("/etc/openmpi/openmpi-mca-params.conf", prefix) &&
           !file_chooses(conf, prefix);
}
