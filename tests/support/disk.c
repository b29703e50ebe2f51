/* A disk that misbehaves on command: preloaded into the daemon, it stands between it and the file system. What the file
 * named by GEMBOK_TEST_DISK holds decides what happens to writes and syncs of the store's file:
 *
 *   nothing or "ok"    they pass
 *   "errno N"          they fail with that error number
 *   "slow N"           syncs take N milliseconds longer
 *   "hold"             syncs by other threads than the journal's wait until there is another word; that one waits is said
 *                      in a file of the same name with ".held" behind it
 *   "cut"              the process dies when it has emptied a token's file
 *
 * While the journal's thread is in such a sync, it is called "journal-in-disk": whoever looks sees it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_file(int fd, const char *name) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, name) != NULL;
}

/* SoftHSM empties the file that is the token, and then writes it. */
static int dies_when_cut(int fd) {
    const char *command = getenv("GEMBOK_TEST_DISK");
    char word[4] = "";
    int control = command ? open(command, O_RDONLY | O_CLOEXEC) : -1;
    if (control < 0) return 0;
    ssize_t length = read(control, word, 3);
    close(control);
    return length == 3 && !strcmp(word, "cut") && is_file(fd, "token.object");
}

/* Whether a file tells a thread to wait. The journal's own goes on, as it does until it needs what the others have. */
static int holds(const char *command) {
    char name[16] = "", word[4] = "";
    int control = open(command, O_RDONLY | O_CLOEXEC);
    if (control < 0) return 0;
    ssize_t length = read(control, word, sizeof word);
    close(control);
    prctl(PR_GET_NAME, name);
    return length == 4 && !memcmp(word, "hold", 4) && strncmp(name, "journal", 7);
}

static void wait_while_held(const char *command) {
    struct timespec soon = {0, 10 * 1000000L};
    char held[4096];
    snprintf(held, sizeof held, "%s.held", command);
    while (holds(command)) {
        int said = open(held, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (said >= 0) close(said);
        nanosleep(&soon, NULL);
    }
}

/* The error number to fail with; 0 to go on, after the time it takes. */
static int verdict(int fd, int is_sync) {
    const char *command = getenv("GEMBOK_TEST_DISK");
    if (!command || !is_file(fd, "gembok.redb")) return 0;
    if (is_sync) wait_while_held(command);
    char word[64] = "";
    int control = open(command, O_RDONLY | O_CLOEXEC);
    if (control < 0) return 0;
    ssize_t length = read(control, word, sizeof word - 1);
    close(control);
    int number = 0;
    if (length > 0 && sscanf(word, "errno %d", &number) == 1) return number;
    if (length > 0 && is_sync && sscanf(word, "slow %d", &number) == 1) {
        struct timespec wait = {number / 1000, (number % 1000) * 1000000L};
        nanosleep(&wait, NULL);
    }
    return 0;
}

/* Whether this is the journal's thread, and from now on called otherwise. */
static int is_seen_from_now(void) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (strcmp(name, "journal")) return 0;
    prctl(PR_SET_NAME, "journal-in-disk");
    return 1;
}

/* A sync by `next`, which is the real one. */
static int synced(int fd, int (*next)(int)) {
    int is_seen = is_seen_from_now();
    int error = verdict(fd, 1);
    int result = error ? -1 : next(fd);
    if (!error) error = errno;
    if (is_seen) prctl(PR_SET_NAME, "journal");
    errno = error;
    return result;
}

#define PASS(fd)                     \
    do {                             \
        int error = verdict(fd, 0);  \
        if (error) {                 \
            errno = error;           \
            return -1;               \
        }                            \
    } while (0)

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    PASS(fd);
    return NEXT(pwrite)(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    PASS(fd);
    return NEXT(pwrite64)(fd, bytes, count, at);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    PASS(fd);
    return NEXT(write)(fd, bytes, count);
}

int ftruncate(int fd, off_t length) {
    PASS(fd);
    int result = NEXT(ftruncate)(fd, length);
    if (dies_when_cut(fd)) raise(SIGKILL);
    return result;
}

int ftruncate64(int fd, off64_t length) {
    PASS(fd);
    int result = NEXT(ftruncate64)(fd, length);
    if (dies_when_cut(fd)) raise(SIGKILL);
    return result;
}

int fdatasync(int fd) {
    return synced(fd, NEXT(fdatasync));
}

int fsync(int fd) {
    return synced(fd, NEXT(fsync));
}
