/*
 * replay: runs a fuzz target over files, for builds without libFuzzer.
 *
 *     json_fuzz FILE_OR_FOLDER ...
 *
 * Each file goes in as one exact heap block, so that the address sanitizer sees every byte read beyond it. When the target
 * dies, the file's name is the last line on stderr. Ends with "N passed, 0 failed".
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static char current[4096];
static int n_passed, n_unreadable;

static void name_current(void) {
    static const char before[] = "replay: died on ";
    if (write(2, before, sizeof before - 1) < 0 || write(2, current, strlen(current)) < 0 || write(2, "\n", 1) < 0) return;
}

static void on_abort(int signal_number) {
    name_current();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void replay_file(const char *path, size_t size) {
    FILE *const file = fopen(path, "rb");
    uint8_t *const data = malloc(size ? size : 1);
    snprintf(current, sizeof current, "%s", path);
    if (file && data && fread(data, 1, size, file) == size) {
        LLVMFuzzerTestOneInput(data, size);
        n_passed++;
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
        n_unreadable++;
    }
    free(data);
    if (file) fclose(file);
}

static void replay(const char *path, int depth) {
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        n_unreadable++;
    } else if (!S_ISDIR(info.st_mode)) {
        replay_file(path, (size_t)info.st_size);
    } else if (depth < 4) {
        struct dirent **entries = NULL;
        const int n = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            char inner[4096];
            snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            if (entries[i]->d_name[0] != '.') replay(inner, depth + 1);
            free(entries[i]);
        }
        free(entries);
    }
}

int main(int argc, char **argv) {
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(name_current);
    for (int i = 1; i < argc; i++) replay(argv[i], 0);
    printf("%d passed, %d failed\n", n_passed, n_unreadable);
    return n_unreadable || n_passed == 0;
}
