/* The demonstration: a filter that denies open(2), and the many ways to open a file all the same.
 *
 *     fragile FILE DIRECTORY LIBRARY             try each way, print whether it worked
 *     fragile --filter FILE DIRECTORY LIBRARY    the same behind the filter, and by which system call it got through
 *
 * The filter is one that anybody might write: open(2) fails with EPERM, everything else is allowed. A second one
 * stops at each system call that opens, for the parent to see which it was; it refuses nothing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the filter names x86_64's numbers"
#endif

static const char *file, *directory, *library;

static const char *made(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int by_open(void) { return open(file, O_RDONLY) < 0; }
static int by_fopen(void) { return !fopen(file, "r"); }
static int by_freopen(void) { return !freopen(file, "r", stdin); }
static int by_openat(void) { return openat(AT_FDCWD, file, O_RDONLY) < 0; }
static int by_opendir(void) { return !opendir(directory); }
static int by_scandir(void) { struct dirent **names; return scandir(directory, &names, 0, 0) < 0; }
static int by_creat(void) { return creat(made("creat"), 0600) < 0; }
static int by_mkstemp(void) { char name[PATH_MAX]; strcpy(name, made("XXXXXX")); return mkstemp(name) < 0; }
static int by_fopen_w(void) { return !fopen(made("fopen"), "w"); }
static int by_dlopen(void) { errno = 0; return !dlopen(library, RTLD_NOW); }
static int by_number(void) { return syscall(SYS_open, file, O_RDONLY) < 0; }

static const struct { const char *name; int (*fails)(void); } ways[] = {
    {"open", by_open}, {"fopen", by_fopen}, {"freopen", by_freopen}, {"openat", by_openat},
    {"opendir", by_opendir}, {"scandir", by_scandir}, {"creat", by_creat}, {"mkstemp", by_mkstemp},
    {"fopen-w", by_fopen_w}, {"dlopen", by_dlopen}, {"syscall", by_number},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* The calls that open, each with the number by which the parent knows it. */
static const struct { int number; const char *name; } opens[] = {
    {SYS_open, "open"}, {SYS_openat, "openat"}, {SYS_creat, "creat"}, {437, "openat2"},
};
enum { OPENS = sizeof opens / sizeof *opens };

static void install(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        exit(2);
    }
}

static void watch_opens(void)
{
    struct sock_filter code[2 + 2 * OPENS] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    int at = 1;
    for (int i = 0; i < OPENS; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, opens[i].number, 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | i);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    install(code, at);
}

static void deny_open(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

/* Try one way in a child behind the filter; the last call that opened and was not refused is by what it went. */
static void try_behind_filter(int way)
{
    int status;
    const char *by = "nothing";
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        watch_opens();
        deny_open();
        _exit(ways[way].fails() ? errno ? errno : 1 : 0);
    }
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
    ptrace(PTRACE_CONT, child, 0, 0);
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        unsigned long which = OPENS;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && !ptrace(PTRACE_GETEVENTMSG, child, 0, &which)
            && which < OPENS)
            by = opens[which].name;
        ptrace(PTRACE_CONT, child, 0, 0);
    }
    if (!WIFEXITED(status))
        printf("%s died %d\n", ways[way].name, WTERMSIG(status));
    else if (WEXITSTATUS(status))
        printf("%s refused\n", ways[way].name);
    else
        printf("%s %s\n", ways[way].name, by);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int filter = argc > 1 && !strcmp(argv[1], "--filter");
    if (argc != 4 + filter) {
        fprintf(stderr, "usage: fragile [--filter] FILE DIRECTORY LIBRARY\n");
        return 2;
    }
    file = argv[1 + filter];
    directory = argv[2 + filter];
    library = argv[3 + filter];
    for (int way = 0; way < WAYS; way++)
        if (filter) {
            try_behind_filter(way);
        } else {
            printf("%s %s\n", ways[way].name, ways[way].fails() ? "refused" : "works");
            fflush(stdout);
        }
    return 0;
}
