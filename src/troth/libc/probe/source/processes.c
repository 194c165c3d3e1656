/* Processes: starting, ending, waiting for them; who they are and what they may use. */
#include "probe.h"
#include <grp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

extern char **environ;

static pid_t child;
static int status;
static siginfo_t info;
static struct rlimit limit = { 60, 60 };
static struct rusage usage;
static posix_spawn_file_actions_t actions;
static posix_spawnattr_t attributes;
static char *const words[] = { "x", "-c", "y", NULL };
static char *const nothing[] = { NULL };
static uid_t u, v, w;
static gid_t groups[64];
static int count = 64;
static struct sched_param priority;
static cpu_set_t cpus;
static struct timespec ts;
static struct iovec here = { buffer, 4 }, there = { &child, 4 };
static char stack[65536] __attribute__((aligned(64)));

/* In the child of a fork, at once its end. */
#define FORKED(e) ({ pid_t p_ = (e); if (!p_) leave(0); FD(p_); })

static int in_child(void *argument)
{
	(void)argument;
	leave(0);
}

/* Starting. */
PROBE(fork, "", , FORKED(L(fork)()))
PROBE(vfork, "", , FORKED(L(vfork)()))
PROBE(_Fork, "", , FORKED(N(pid_t(void), _Fork)()))
PROBE(clone, "SIGCHLD", , FD(L(clone)(in_child, stack + sizeof stack - 64, SIGCHLD, NULL)))
PROBE(clone, "CLONE_VM|CLONE_VFORK", ,
      FD(L(clone)(in_child, stack + sizeof stack - 64, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)))
PROBE(daemon, "", , NUMBER(L(daemon)(1, 0)))
PROBE(system, "", , NUMBER(L(system)("x")))
PROBE(system, "no command", , NUMBER(L(system)(NULL) != 0))
PROBE(execve, "", , NEVER(L(execve)("/bin/x", words, environ)))
PROBE(execve, "not there", , NUMBER(L(execve)("/bin/z", words, environ)))
PROBE(execv, "", , NEVER(L(execv)("/bin/x", words)))
PROBE(execvp, "", , NEVER(L(execvp)("x", words)))
PROBE(execvp, "not there", , NUMBER(L(execvp)("z", words)))
PROBE(execvpe, "", , NEVER(L(execvpe)("x", words, environ)))
PROBE(execl, "", , NEVER(L(execl)("/bin/x", "x", NULL)))
PROBE(execle, "", , NEVER(L(execle)("/bin/x", "x", NULL, nothing)))
PROBE(execlp, "", , NEVER(L(execlp)("x", "x", NULL)))
PROBE(fexecve, "", int fd = L(open)("/bin/x", O_RDONLY | O_CLOEXEC), NEVER(L(fexecve)(fd, words, environ)))
PROBE(execveat, "", , NEVER(N(int(int, const char *, char *const *, char *const *, int), execveat)(AT_FDCWD, "/bin/x", words, environ, 0)))
PROBE(posix_spawn, "", , ERROR(L(posix_spawn)(&child, "/bin/x", NULL, NULL, words, environ)))
PROBE(posix_spawn, "not there", , ERROR(L(posix_spawn)(&child, "/bin/z", NULL, NULL, words, environ)))
PROBE(posix_spawnp, "", , ERROR(L(posix_spawnp)(&child, "x", NULL, NULL, words, environ)))
PROBE(posix_spawn, "files", L(posix_spawn_file_actions_init)(&actions);
      L(posix_spawn_file_actions_addopen)(&actions, 5, "/dev/null", O_RDONLY, 0);
      L(posix_spawn_file_actions_adddup2)(&actions, 5, 6); L(posix_spawn_file_actions_addclose)(&actions, 5),
      ERROR(L(posix_spawn)(&child, "/bin/x", &actions, NULL, words, environ)))
PROBE(posix_spawn, "chdir", L(posix_spawn_file_actions_init)(&actions);
      N(int(void *, const char *), posix_spawn_file_actions_addchdir_np)(&actions, "/"),
      ERROR(L(posix_spawn)(&child, "/bin/x", &actions, NULL, words, environ)))
PROBE(posix_spawn, "closefrom", L(posix_spawn_file_actions_init)(&actions);
      N(int(void *, int), posix_spawn_file_actions_addclosefrom_np)(&actions, 60),
      ERROR(L(posix_spawn)(&child, "/bin/x", &actions, NULL, words, environ)))
PROBE(posix_spawn, "signals, group, ids", L(posix_spawnattr_init)(&attributes);
      L(posix_spawnattr_setflags)(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
						       | POSIX_SPAWN_RESETIDS),
      ERROR(L(posix_spawn)(&child, "/bin/x", NULL, &attributes, words, environ)))
PROBE(posix_spawn, "session", L(posix_spawnattr_init)(&attributes); L(posix_spawnattr_setflags)(&attributes, 0x80),
      ERROR(L(posix_spawn)(&child, "/bin/x", NULL, &attributes, words, environ)))
PROBE(posix_spawn, "scheduling", L(posix_spawnattr_init)(&attributes);
      L(posix_spawnattr_setflags)(&attributes, POSIX_SPAWN_SETSCHEDULER),
      ERROR(L(posix_spawn)(&child, "/bin/x", NULL, &attributes, words, environ)))
PROBE(pidfd_spawn, "", , ERROR(N(int(int *, const char *, void *, void *, char *const *, char *const *), pidfd_spawn)(
			       &status, "/bin/x", NULL, NULL, words, environ)))

/* Ending. */
PROBE(exit, "", , NEVER((L(exit)(0), 0)))
PROBE(_exit, "", , NEVER((L(_exit)(0), 0)))
PROBE(_Exit, "", , NEVER((L(_Exit)(0), 0)))
PROBE(quick_exit, "", , NEVER((L(quick_exit)(0), 0)))
PROBE(abort, "", , NEVER((L(abort)(), 0)))

/* Waiting. */
PROBE(wait, "", child_exits(0), FD(L(wait)(&status)))
PROBE(waitpid, "", child = child_exits(0), FD(L(waitpid)(child, &status, 0)))
PROBE(waitpid, "WNOHANG", child = child_waits(), NUMBER(L(waitpid)(child, &status, WNOHANG)))
PROBE(wait3, "", child_exits(0), FD(L(wait3)(&status, 0, &usage)))
PROBE(wait4, "", child = child_exits(0), FD(L(wait4)(child, &status, 0, &usage)))
PROBE(waitid, "P_ALL", child_exits(0), NUMBER(L(waitid)(P_ALL, 0, &info, WEXITED)))
PROBE(waitid, "P_PID", child = child_exits(0), NUMBER(L(waitid)(P_PID, child, &info, WEXITED | WNOHANG)))

/* Who it is. */
PROBE(getpid, "", , FD(L(getpid)()))
PROBE(getppid, "", , NUMBER(L(getppid)()))
PROBE(gettid, "", , FD(N(pid_t(void), gettid)()))
PROBE(getuid, "", , NUMBER(L(getuid)()))
PROBE(geteuid, "", , NUMBER(L(geteuid)()))
PROBE(getgid, "", , NUMBER(L(getgid)()))
PROBE(getegid, "", , NUMBER(L(getegid)()))
PROBE(getresuid, "", , NUMBER(L(getresuid)(&u, &v, &w)))
PROBE(getresgid, "", , NUMBER(L(getresgid)(&u, &v, &w)))
PROBE(getgroups, "", , NUMBER(L(getgroups)(64, groups) >= 0))
PROBE(getpgid, "", , FD(L(getpgid)(0)))
PROBE(getpgrp, "", , FD(L(getpgrp)()))
PROBE(getsid, "", , FD(L(getsid)(0)))
PROBE(setuid, "", , NUMBER(L(setuid)(0)))
PROBE(seteuid, "", , NUMBER(L(seteuid)(0)))
PROBE(setreuid, "", , NUMBER(L(setreuid)(0, 0)))
PROBE(setresuid, "", , NUMBER(L(setresuid)(0, 0, 0)))
PROBE(setgid, "", , NUMBER(L(setgid)(0)))
PROBE(setegid, "", , NUMBER(L(setegid)(0)))
PROBE(setregid, "", , NUMBER(L(setregid)(0, 0)))
PROBE(setresgid, "", , NUMBER(L(setresgid)(0, 0, 0)))
PROBE(setfsuid, "", , NUMBER(L(setfsuid)(0)))
PROBE(setfsgid, "", , NUMBER(L(setfsgid)(0)))
PROBE(setgroups, "", , NUMBER(L(setgroups)(1, groups)))
PROBE(initgroups, "", , NUMBER(L(initgroups)("root", 0)))
PROBE(getgrouplist, "", , VALUE(L(getgrouplist)("root", 0, groups, &count)))
PROBE(setpgid, "", child = child_waits(), NUMBER(L(setpgid)(child, child)))
PROBE(setpgrp, "", , NUMBER(N(int(void), setpgrp)()))
PROBE(setsid, "", , FD(L(setsid)()))

/* What it may use. */
PROBE(getrlimit, "RLIMIT_NOFILE", , NUMBER(L(getrlimit)(RLIMIT_NOFILE, &limit)))
PROBE(getrlimit, "RLIMIT_STACK", , NUMBER(L(getrlimit)(RLIMIT_STACK, &limit)))
PROBE(setrlimit, "RLIMIT_NOFILE", , NUMBER(L(setrlimit)(RLIMIT_NOFILE, &limit)))
PROBE(prlimit, "itself", , NUMBER(L(prlimit)(0, RLIMIT_CORE, NULL, &limit)))
PROBE(prlimit, "another", child = child_waits(), NUMBER(L(prlimit)(child, RLIMIT_CORE, NULL, &limit)))
PROBE(getrusage, "RUSAGE_SELF", , NUMBER(L(getrusage)(RUSAGE_SELF, &usage)))
PROBE(getrusage, "RUSAGE_CHILDREN", , NUMBER(L(getrusage)(RUSAGE_CHILDREN, &usage)))
/* -1 is a niceness too; what it is depends on who probes, and 19 is what anybody may ask for. */
#define NICENESS(call) ({ errno = 0; NUMBER((call) == -1 && errno ? -1 : 0); })
PROBE(getpriority, "PRIO_PROCESS", , NICENESS(L(getpriority)(PRIO_PROCESS, 0)))
PROBE(setpriority, "PRIO_PROCESS", , NUMBER(L(setpriority)(PRIO_PROCESS, 0, 19)))
PROBE(nice, "", , NICENESS(L(nice)(1)))
PROBE(sched_yield, "", , NUMBER(L(sched_yield)()))
PROBE(sched_getcpu, "", , NUMBER(L(sched_getcpu)() >= 0))
PROBE(sched_getaffinity, "", , NUMBER(L(sched_getaffinity)(0, sizeof cpus, &cpus)))
PROBE(sched_setaffinity, "", L(sched_getaffinity)(0, sizeof cpus, &cpus), NUMBER(L(sched_setaffinity)(0, sizeof cpus, &cpus)))
PROBE(sched_getparam, "", , NUMBER(L(sched_getparam)(0, &priority)))
PROBE(sched_setparam, "", , NUMBER(L(sched_setparam)(0, &priority)))
PROBE(sched_getscheduler, "", , NUMBER(L(sched_getscheduler)(0)))
PROBE(sched_setscheduler, "SCHED_OTHER", , NUMBER(L(sched_setscheduler)(0, SCHED_OTHER, &priority)))
PROBE(sched_setscheduler, "SCHED_BATCH", , NUMBER(L(sched_setscheduler)(0, SCHED_BATCH, &priority)))
PROBE(sched_get_priority_max, "", , NUMBER(L(sched_get_priority_max)(SCHED_FIFO)))
PROBE(sched_get_priority_min, "", , NUMBER(L(sched_get_priority_min)(SCHED_FIFO)))
PROBE(sched_rr_get_interval, "", , NUMBER(L(sched_rr_get_interval)(0, &ts)))
PROBE(getcpu, "", , NUMBER(N(int(unsigned *, unsigned *), getcpu)(&u, &v)))

/* What else it can do to itself and to others. */
PROBE(prctl, "PR_SET_NAME", , NUMBER(L(prctl)(PR_SET_NAME, "name", 0, 0, 0)))
PROBE(prctl, "PR_GET_NAME", , NUMBER(L(prctl)(PR_GET_NAME, buffer, 0, 0, 0)))
PROBE(prctl, "PR_SET_PDEATHSIG", , NUMBER(L(prctl)(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0)))
PROBE(prctl, "PR_SET_DUMPABLE", , NUMBER(L(prctl)(PR_SET_DUMPABLE, 1, 0, 0, 0)))
PROBE(prctl, "PR_SET_NO_NEW_PRIVS", , NUMBER(L(prctl)(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))
PROBE(prctl, "PR_CAPBSET_READ", , NUMBER(L(prctl)(PR_CAPBSET_READ, 1, 0, 0, 0)))
PROBE(personality, "", , NUMBER(L(personality)(0xffffffff)))
PROBE(unshare, "CLONE_FS", , NUMBER(L(unshare)(CLONE_FS)))
PROBE(setns, "", int fd = L(open)("/proc/self/ns/uts", O_RDONLY), NUMBER(L(setns)(fd, 0)))
PROBE(ptrace, "PTRACE_ATTACH", child = child_waits(), NUMBER(L(ptrace)(PTRACE_ATTACH, child, 0, 0)))
PROBE(ptrace, "PTRACE_TRACEME", , NUMBER(L(ptrace)(PTRACE_TRACEME, 0, 0, 0)))
PROBE(process_vm_readv, "", child = child_waits(), NUMBER(L(process_vm_readv)(child, &here, 1, &there, 1, 0)))
PROBE(pidfd_open, "", child = child_waits(), FD(N(int(pid_t, unsigned), pidfd_open)(child, 0)))
PROBE(pidfd_send_signal, "", child = child_waits(); int fd = unseen(SYS_pidfd_open, child, 0, 0, 0, 0),
      NUMBER(N(int(int, int, void *, unsigned), pidfd_send_signal)(fd, 0, NULL, 0)))
PROBE(pidfd_getfd, "", child = child_waits(); int fd = unseen(SYS_pidfd_open, child, 0, 0, 0, 0),
      FD(N(int(int, int, unsigned), pidfd_getfd)(fd, 0, 0)))
PROBE(pidfd_getpid, "", child = child_waits(); int fd = unseen(SYS_pidfd_open, child, 0, 0, 0, 0),
      FD(N(pid_t(int), pidfd_getpid)(fd)))
PROBE(syscall, "getpid", , FD(L(syscall)(SYS_getpid)))
PROBE(acct, "", , NUMBER(L(acct)(NULL)))
