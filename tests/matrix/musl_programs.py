"""Programs built once with musl, and run under the loader of each musl: what an old libc calls is what they call.

musl asks for open(2), stat(2), fork(2), pipe(2), select(2), nanosleep(2) and tkill(2), where glibc has gone on to
newer calls: each program is about one of these.
"""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """One C program (the body of its main), its promises, and the one to take away."""

    name: str
    body: str
    promises: str
    missing: str


_HEADERS = "".join(
    f"#include <{name}.h>\n"
    for name in (
        "arpa/inet", "dirent", "errno", "fcntl", "poll", "pthread", "pwd", "signal", "spawn", "stdio", "stdlib", "string",
        "sys/epoll", "sys/select", "sys/socket", "sys/stat", "sys/time", "sys/wait", "time", "unistd", "utime",
    )
)  # fmt: skip

_HELPERS = """
extern char **environ;
static volatile int caught;
static void handler(int n) { caught = n; }
static void *work(void *arg) { ++*(int *)arg; return arg; }
"""

MUSL_PROGRAMS = (
    Source("open", 'char b[9] = ""; int f = open("words", O_RDONLY); if (f < 0) return 1; read(f, b, 3); puts(b);',
           "stdio rpath", "rpath"),
    Source("fopen", 'char b[9]; FILE *f = fopen("words", "r"); if (!f) return 1; fgets(b, 9, f); puts(b);', "stdio rpath", "rpath"),
    Source("opendir", 'DIR *d = opendir("."); int n = 0; if (!d) return 1; while (readdir(d)) n++; printf("%d\\n", n);',
           "stdio rpath", "rpath"),
    Source("stat", 'struct stat s; if (stat("words", &s)) return 1; printf("%d\\n", (int)s.st_size);', "stdio rpath", "rpath"),
    Source("access", 'if (access("words", R_OK)) return 1; puts("readable");', "stdio rpath", "rpath"),
    Source("creat", 'int f = creat("made", 0600); if (f < 0) return 1; write(f, "x", 1); puts("made");', "stdio wpath cpath", "cpath"),
    Source("append", 'FILE *f = fopen("words", "a"); if (!f) return 1; fputs("more", f); fclose(f); puts("longer");',
           "stdio rpath wpath cpath", "wpath"),
    Source("mkstemp", 'char t[] = "fileXXXXXX"; int f = mkstemp(t); if (f < 0) return 1; unlink(t); puts("made");',
           "stdio rpath wpath cpath", "cpath"),
    Source("mkdir", 'if (mkdir("made", 0700) || rename("made", "moved")) return 1; puts("made");', "stdio rpath cpath", "cpath"),
    Source("chmod", 'if (chmod("words", 0600)) return 1; puts("changed");', "stdio rpath fattr", "fattr"),
    Source("utime", 'struct utimbuf t = {1, 1}; if (utime("words", &t)) return 1; puts("changed");', "stdio rpath fattr", "fattr"),
    Source("fork", 'int s; pid_t p = fork(); if (p < 0) return 1; if (!p) _exit(7); waitpid(p, &s, 0); printf("%d\\n", WEXITSTATUS(s));',
           "stdio proc", "proc"),
    Source("spawn", 'int s; pid_t p; char *a[] = {"/work/fork", 0}; if (posix_spawn(&p, a[0], 0, 0, a, environ)) return 1; '
           'waitpid(p, &s, 0); printf("%d\\n", WEXITSTATUS(s));', "stdio rpath proc exec", "exec"),
    Source("kill", 'int s; pid_t p = fork(); if (p < 0) return 1; if (!p) { pause(); _exit(0); } kill(p, SIGTERM); waitpid(p, &s, 0); '
           'printf("%d\\n", WTERMSIG(s));', "stdio proc", "proc"),
    Source("listen", 'struct sockaddr_in a = {.sin_family = AF_INET}; socklen_t l = sizeof a; int s = socket(AF_INET, SOCK_STREAM, 0); '
           'if (s < 0 || bind(s, (void *)&a, l) || listen(s, 1)) return 1; puts("listening");', "stdio inet", "inet"),
    Source("raise", 'signal(SIGUSR1, handler); raise(SIGUSR1); printf("%d\\n", caught);', "stdio", ""),
    Source("threads", 'pthread_t t[4]; int n[4] = {0}; for (int i = 0; i < 4; i++) if (pthread_create(t + i, 0, work, n + i)) return 1; '
           'for (int i = 0; i < 4; i++) pthread_join(t[i], 0); printf("%d\\n", n[0] + n[1] + n[2] + n[3]);', "stdio", ""),
    Source("sleep", 'struct timespec t = {0, 1000}; if (nanosleep(&t, 0) || usleep(1)) return 1; puts("slept");', "stdio", ""),
    Source("wait", 'int p[2]; struct timeval t = {0, 1}; struct epoll_event e; fd_set s; FD_ZERO(&s); if (pipe(p)) return 1; FD_SET(p[0], &s); '
           'printf("%d %d\\n", select(p[0] + 1, &s, 0, 0, &t), epoll_wait(epoll_create1(0), &e, 1, 1));', "stdio", ""),
)  # fmt: skip


def text_of(source: Source) -> str:
    """The C text of a program."""
    return f"#define _GNU_SOURCE\n{_HEADERS}{_HELPERS}int main(void) {{ {source.body} return 0; }}\n"
